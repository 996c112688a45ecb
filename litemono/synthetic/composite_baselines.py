"""What a trained mask and depth must beat: background subtraction by difference, and one depth for all pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from litemono.metrics import intersection_over_union

THRESHOLDS = range(4, 124, 4)  # 8-bit steps
Difference = Callable[[np.ndarray, np.ndarray], np.ndarray]


def difference(background: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """(H, W): the largest difference of the three colours. Both (3, H, W) uint8."""
    return np.abs(picture.astype(float) - background).max(0)


def compensated_difference(background: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The same with the picture's exposure brought to the background's, and a median of 3 x 3 pixels against noise."""
    gain = np.median((background + 1.0) / (picture + 1.0))
    return cv2.medianBlur(np.abs(picture * gain - background).max(0).astype(np.float32), 3)


def best_masks(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], truths: Sequence[np.ndarray], of: Difference
) -> tuple[int, list[np.ndarray]]:
    """The threshold with the highest mean intersection over union on these very pictures, and its masks (H, W) bool.

    pairs: background and picture; truths: (H, W) bool.
    """
    differences = [of(*pair) for pair in pairs]

    def mean_iou(threshold: int) -> float:
        masks = [values > threshold for values in differences]
        return float(np.mean([intersection_over_union(mask, truth) for mask, truth in zip(masks, truths, strict=True)]))

    best = max(THRESHOLDS, key=mean_iou)
    return best, [values > best for values in differences]
