"""Recorded numbers of the photometric losses, and random images, for their three test files."""

from __future__ import annotations

import torch
from goldens import F32, F64
from hypothesis import settings
from hypothesis import strategies as st

PRECISIONS = [("f64", torch.float64, F64), ("f32", torch.float32, F32)]
quick = settings(deadline=None, max_examples=30)
sizes = st.tuples(st.integers(2, 12), st.integers(2, 12))


def image(seed: int, height: int, width: int, *lead: int) -> torch.Tensor:
    """(*lead, 3, height, width) float64 in [0, 1)."""
    return torch.rand(*lead, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
