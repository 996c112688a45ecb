"""The seven depth errors of Eigen et al. 2014, of numpy arrays and of tensors; for arrays torch is not imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")

MIN_DEPTH, MAX_DEPTH = 1e-3, 80.0
GARG_ROWS = (0.40810811, 0.99189189)  # Garg et al. 2016, of any size
GARG_COLUMNS = (0.03594771, 0.96405229)

# TensorBoard names of the published trainer, in the order of Errors
METRIC_NAMES = ("de/abs_rel", "de/sq_rel", "de/rms", "de/log_rms", "da/a1", "da/a2", "da/a3")


class Errors(NamedTuple):
    """Scalars in compute_errors' kind: numpy, or 0-dimensional tensors on the device of the depths."""

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
    lib: Any = np
    if not isinstance(gt, np.ndarray):
        import torch

        lib = torch
    ratio = lib.maximum(gt / pred, pred / gt)
    difference: Any = gt - pred
    log_difference = lib.log(gt) - lib.log(pred)

    def share_below(limit: float) -> Any:
        below = ratio < limit
        return below.mean() if lib is np else below.double().mean()

    return Errors(
        abs_rel=(abs(difference) / gt).mean(),
        sq_rel=(difference**2 / gt).mean(),
        rmse=lib.sqrt((difference**2).mean()),
        rmse_log=lib.sqrt((log_difference**2).mean()),
        a1=share_below(1.25),
        a2=share_below(1.25**2),
        a3=share_below(1.25**3),
    )
