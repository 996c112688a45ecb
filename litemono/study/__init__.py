"""Runs side by side: what litemono.compare reads from run folders, and the table and page it makes of them."""
