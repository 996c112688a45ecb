"""Disparity as a picture."""

from __future__ import annotations

import matplotlib
import numpy as np


def magma(disparity: np.ndarray) -> np.ndarray:
    """(H, W) numbers -> (H, W, 3) uint8, from their minimum to their 95th percentile, as published: bright is near."""
    low, high = disparity.min(), np.percentile(disparity, 95)
    shades = (disparity - low) / (high - low) if high > low else np.zeros_like(disparity)
    return matplotlib.colormaps["magma"](shades, bytes=True)[:, :, :3]
