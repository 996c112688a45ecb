"""python -m evaluate.tables: results beside published ones."""
