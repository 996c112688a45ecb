"""`litemono segment`: mask and depth of a figure in front of a known background."""
