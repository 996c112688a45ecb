"""evaluate --report and --compare: one HTML page."""
