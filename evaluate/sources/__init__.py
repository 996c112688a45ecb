"""Where predictions and ground truth come from: networks, files, and which belongs to which."""
