"""What `litemono export` does once its flags are right: write the file, run it, compare it with the network."""
