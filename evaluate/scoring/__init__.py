"""Predictions against ground truth: alignment, the pixels that count, metrics, intervals."""
