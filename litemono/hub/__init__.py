"""Weights in the layout of Hugging Face: a folder with model.safetensors, config.json and a model card."""
