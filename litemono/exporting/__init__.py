"""Networks in one file: what `litemono export` writes and compares, and such a file in the place of a weights folder."""
