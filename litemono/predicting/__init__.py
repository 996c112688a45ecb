"""What `litemono predict` does: frames from a source, through a backend, to pictures, numbers, points or a film."""
