"""The evaluation protocol of the field: crop, 80 m, median scaling, seven errors (Eigen et al. 2014, Garg et al. 2016).

Order and number types follow the published code, so that its numbers come out to float precision.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from litemono.metrics import MAX_DEPTH, MIN_DEPTH, Errors, compute_errors, valid_pixels

EDGE = 0.05  # share of the width on which flip post-processing trusts one of the two predictions


class Protocol(NamedTuple):
    """Which pixels count and how predictions are scaled."""

    crop: bool = True
    """Garg crop and 1 mm < depth < 80 m; without it every pixel that has ground truth."""
    median_scaling: bool = True
    """Bring each prediction's median to that of its ground truth."""
    pred_depth_scale: float = 1.0
    """Factor on predicted depth, before median scaling; 5.4 for networks trained with stereo pairs."""


class ImageScore(NamedTuple):
    """Errors of one image and the factor that median scaling applied (None without it)."""

    errors: Errors
    ratio: float | None


class Summary(NamedTuple):
    """Mean errors over images, and the median and relative spread of the scale ratios."""

    errors: Errors
    ratio_median: float | None
    ratio_std: float | None
    """Standard deviation of ratio / median ratio."""


class BadPrediction(ValueError):
    """A disparity map that no depth can be made of."""


def uses_crop(split_name: str) -> bool:
    """eigen_benchmark counts every annotated pixel, as published; all other splits the Garg crop up to 80 m."""
    return split_name != "eigen_benchmark"


def merge_flipped(disparity: np.ndarray, of_flipped: np.ndarray) -> np.ndarray:
    """Flip post-processing (Godard et al. 2017): (B, H, W) -> (B, H, W) float64.

    of_flipped: prediction for the mirrored image, mirrored back. The mean of both, except that each is replaced by the
    other at the border where its own camera saw less.
    """
    x = np.linspace(0, 1, disparity.shape[2])
    left = 1 - np.clip(20 * (x - EDGE), 0, 1)
    right = left[::-1]
    return right * disparity + left * of_flipped + (1 - left - right) * (0.5 * (disparity + of_flipped))


def resize_disparity(disparity: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W) -> (height, width) bilinear, by OpenCV like every published number."""
    return cv2.resize(disparity, (width, height))


def score_image(truth: np.ndarray, disparity: np.ndarray, protocol: Protocol) -> ImageScore | None:
    """Compare truth (H, W) metres with scaled disparity of any size; None where no pixel counts.

    Raises BadPrediction for negative disparity, for one that is not finite at a pixel that counts, and where its median
    is 0. Another program may mark pixels that do not count as nan.
    """
    valid = valid_pixels(truth, protocol.crop)
    if not valid.any():
        return None
    counted = resize_disparity(disparity, *truth.shape)[valid]
    if not np.isfinite(counted).all() or (disparity < 0).any():
        raise BadPrediction("its disparity has values that are negative or not finite")
    with np.errstate(divide="ignore"):
        depth = 1 / counted
    truth, depth = truth[valid], depth * protocol.pred_depth_scale
    ratio = None
    if protocol.median_scaling:
        ratio = np.median(truth) / np.median(depth)
        if ratio == 0:
            raise BadPrediction("half of its disparity or more is 0")
        depth *= ratio
    return ImageScore(compute_errors(truth, depth.clip(MIN_DEPTH, MAX_DEPTH)), ratio)


def summarise(scores: list[ImageScore]) -> Summary:
    """Mean over images, each counting the same however many pixels it has; `scores` must not be empty."""
    errors = Errors(*np.array([score.errors for score in scores], dtype=np.float64).mean(axis=0).tolist())
    ratios = np.array([score.ratio for score in scores if score.ratio is not None], dtype=np.float64)
    if not len(ratios):
        return Summary(errors, None, None)
    median = float(np.median(ratios))
    return Summary(errors, median, float(np.std(ratios / median)))
