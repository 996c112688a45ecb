"""How good masks and depths are, picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from skimage.metrics import structural_similarity
from torch import Tensor

from litemono.metrics import intersection_over_union
from litemono.tasks.depth_mask.settings import AccuracyConfig

METRICS = ("mask_accuracy", "depth_accuracy", "mask_ssim", "depth_ssim", "mask_iou", "depth_mae")


class Scores(NamedTuple):
    """Of one picture."""

    mask_ssim: float
    """Structural similarity (Wang et al. 2004, windows of 7 x 7) of the predicted and the true mask as 8-bit pictures."""
    depth_ssim: float
    mask_iou: float
    """Intersection over union of mask > 0.5 and truth; 1 where both are empty."""
    depth_mae: float
    """Mean absolute difference, of depth in [0, 1]."""

    def named(self, accuracy: AccuracyConfig) -> dict[str, float]:
        """The numbers in METRICS; an accuracy is 1 or 0 for one picture."""
        right = {
            "mask_accuracy": float(self.mask_ssim > accuracy.mask_similarity),
            "depth_accuracy": float(self.depth_ssim > accuracy.depth_similarity),
        }
        return {**right, **self._asdict()}


def similarity(prediction: np.ndarray, truth: np.ndarray) -> float:
    """scikit-image's SSIM of two pictures (H, W) uint8, H and W at least 7."""
    return float(structural_similarity(truth, prediction))


def scores(prediction: Tensor, mask: Tensor, depth: Tensor) -> list[Scores]:
    """Of each picture. prediction: (B, 2, H, W) probability of the mask, and depth; mask, depth: (B, 1, H, W); all in [0, 1]."""
    return [score_picture(*maps) for maps in zip(_bytes(prediction), _bytes(mask), _bytes(depth), strict=True)]


def score_picture(prediction: np.ndarray, mask: np.ndarray, depth: np.ndarray) -> Scores:
    """Of 8-bit pictures: prediction (2, H, W), mask (1, H, W) 0 or 255, depth (1, H, W)."""
    return Scores(
        similarity(prediction[0], mask[0]),
        similarity(prediction[1], depth[0]),
        intersection_over_union(prediction[0] > 127, mask[0] > 127),
        float(np.abs(prediction[1].astype(float) - depth[0]).mean() / 255),
    )


def _bytes(maps: Tensor) -> np.ndarray:
    """[0, 1] -> 8-bit pictures."""
    return (maps.float() * 255).round().byte().cpu().numpy()


def means(found: Sequence[Scores], accuracy: AccuracyConfig) -> dict[str, float]:
    """Mean of each number in METRICS over pictures."""
    named = [one.named(accuracy) for one in found]
    return {name: sum(one[name] for one in named) / len(named) for name in METRICS}
