"""Disparity as a picture."""

from __future__ import annotations

import matplotlib
import numpy as np

BAND = (
    2**20
)  # pixels coloured at a time: the colours of all pixels of a large image would take several times its memory


def magma(disparity: np.ndarray, limits: tuple[float, float] | None = None) -> np.ndarray:
    """(H, W) numbers -> (H, W, 3) uint8: bright is near.

    limits: numbers that are darkest and brightest. None: their minimum and their 95th percentile, as published.
    """
    low, high = (disparity.min(), np.percentile(disparity, 95)) if limits is None else limits
    picture = np.empty((*disparity.shape, 3), np.uint8)
    rows = max(1, BAND // max(1, disparity.shape[1]))
    for first in range(0, disparity.shape[0], rows):
        part = disparity[first : first + rows]
        shades = (part - low) / (high - low) if high > low else np.zeros_like(part)
        picture[first : first + rows] = matplotlib.colormaps["magma"](shades, bytes=True)[:, :, :3]
    return picture
