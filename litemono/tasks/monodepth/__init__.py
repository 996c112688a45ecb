"""`litemono train`: self-supervised depth from video and stereo pairs."""
