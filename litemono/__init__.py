"""Self-supervised monocular depth with Lite-Mono: training, and everything around it."""

__version__ = "0.2.0"
