"""evaluate --split odom_09: trajectories."""
