"""Everything that is to be shown on a card, in one command: `python -m benchmarks.gpu`."""
