"""The seven depth errors of Eigen et al. 2014, and the figure the published trainer logs while it trains."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F

from litemono.data.kitti.velodyne import TRAINING_DEPTH_SIZE

Array = TypeVar("Array", np.ndarray, torch.Tensor)

MIN_DEPTH, MAX_DEPTH = 1e-3, 80.0
CROP = (slice(153, 371), slice(44, 1197))  # Garg et al. 2016 at that size

GARG_ROWS = (0.40810811, 0.99189189)  # Garg et al. 2016, of any size
GARG_COLUMNS = (0.03594771, 0.96405229)

# TensorBoard names of the published trainer, in the order of Errors
METRIC_NAMES = ("de/abs_rel", "de/sq_rel", "de/rms", "de/log_rms", "da/a1", "da/a2", "da/a3")


class Errors(NamedTuple):
    """Scalars in compute_errors' kind: numpy, or 0-dimensional tensors on the device."""

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    a1: float
    a2: float
    a3: float


def garg_crop(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of an image of this size that lidar covers."""
    (top, bottom), (left, right) = (
        (int(edge * height) for edge in GARG_ROWS),
        (int(edge * width) for edge in GARG_COLUMNS),
    )
    return slice(top, bottom), slice(left, right)


def valid_pixels(truth: np.ndarray, crop: bool) -> np.ndarray:
    """(H, W) bool: the pixels of truth (H, W) metres that count."""
    if not crop:
        return truth > 0
    inside = np.zeros(truth.shape, bool)
    inside[garg_crop(*truth.shape)] = True
    return inside & (truth > MIN_DEPTH) & (truth < MAX_DEPTH)


def compute_errors(gt: Array, pred: Array) -> Errors:
    """Depths of the valid pixels, (N,) metres, N > 0, already scaled and clamped. a1..a3 count ratios < 1.25^n."""
    lib = torch if isinstance(gt, torch.Tensor) else np
    ratio = lib.maximum(gt / pred, pred / gt)
    difference = gt - pred
    log_difference = lib.log(gt) - lib.log(pred)

    def share_below(limit: float):
        below = ratio < limit
        return below.double().mean() if lib is torch else below.mean()

    return Errors(
        abs_rel=(abs(difference) / gt).mean(),
        sq_rel=(difference**2 / gt).mean(),
        rmse=lib.sqrt((difference**2).mean()),
        rmse_log=lib.sqrt((log_difference**2).mean()),
        a1=share_below(1.25),
        a2=share_below(1.25**2),
        a3=share_below(1.25**3),
    )


@torch.no_grad()
def train_depth_errors(truth: torch.Tensor, depth: torch.Tensor) -> torch.Tensor | None:
    """What the published trainer logs: velodyne depth (B, 375, 1242), 0 = none, against predicted depth (B, 1, h, w).

    Unlike the evaluation it resizes depth rather than disparity, scales by one (lower) median for the whole batch, and
    has no upper limit on the truth: good for watching a run, not for a table.
    Returns the values of METRIC_NAMES, (7,) float64, or None when no pixel has a truth.
    """
    resized = F.interpolate(depth.float(), TRAINING_DEPTH_SIZE, mode="bilinear", align_corners=False)
    pred = resized.clamp(MIN_DEPTH, MAX_DEPTH)[:, 0][(slice(None), *CROP)]
    truth = truth[(slice(None), *CROP)].to(pred.dtype)
    valid = truth > 0
    truth, pred = truth[valid], pred[valid]
    if not len(truth):
        return None
    pred = (pred * (truth.median() / pred.median())).clamp(MIN_DEPTH, MAX_DEPTH)
    return torch.stack([error.double() for error in compute_errors(truth, pred)])
