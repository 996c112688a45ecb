"""Frames -> triplets -> augmented views on the training device."""
