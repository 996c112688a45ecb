"""`litemono refine`: another network's depth into metres."""
