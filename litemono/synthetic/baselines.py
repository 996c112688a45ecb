"""What depth of the rendered street must beat: guesses that look at no image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from litemono.data.kitti.calibration import PUBLISHED_INTRINSICS
from litemono.metrics import MAX_DEPTH, MIN_DEPTH, Errors, compute_errors, valid_pixels
from litemono.synthetic.street import CAMERA_HEIGHT

METRES = np.geomspace(1, MAX_DEPTH, 100)  # that the best guesses are chosen from, with the test images known

Guess = Callable[[int, int, float], np.ndarray]
"""(height, width, metres) -> depth (height, width) in metres."""


def constant(height: int, width: int, metres: float) -> np.ndarray:
    """The same depth everywhere."""
    return np.full((height, width), metres)


def flat_road(height: int, width: int, metres: float) -> np.ndarray:
    """A plane as far below the camera as the road is, up to a wall `metres` away."""
    _, fy, _, cy = (value * height for value in PUBLISHED_INTRINSICS)
    below = np.arange(height)[:, None] - cy
    return np.broadcast_to(1 / np.maximum(below / (fy * CAMERA_HEIGHT), 1 / metres), (height, width))


def mean_errors(truths: Sequence[np.ndarray], guess: Guess, metres: float, *, median_scaling: bool) -> Errors:
    """Mean over images by the protocol of Eigen et al.: Garg crop, 80 m. truths: (H, W) metres each, 0 = unknown."""
    scores = [image_errors(truth, guess(truth.shape[0], truth.shape[1], metres), median_scaling) for truth in truths]
    return Errors(*np.mean([score for score in scores if score is not None], axis=0).tolist())


def image_errors(truth: np.ndarray, depth: np.ndarray, median_scaling: bool) -> Errors | None:
    """Of one image; None where no pixel counts."""
    valid = valid_pixels(truth)
    if not valid.any():
        return None
    truth, depth = truth[valid], depth[valid]
    if median_scaling:
        depth = depth * (np.median(truth) / np.median(depth))
    return compute_errors(truth, depth.clip(MIN_DEPTH, MAX_DEPTH))


def best(truths: Sequence[np.ndarray], guess: Guess, *, median_scaling: bool) -> tuple[float, Errors]:
    """The distance of METRES with the lowest abs_rel, and its errors."""
    errors = {metres: mean_errors(truths, guess, metres, median_scaling=median_scaling) for metres in METRES}
    return min(errors.items(), key=lambda item: item[1].abs_rel)
