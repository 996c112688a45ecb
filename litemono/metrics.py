"""The errors of depth and masks that training and evaluate share, of arrays and of tensors; for arrays torch is not imported."""

from __future__ import annotations

import math
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


NINE = ("d1", "d2", "d3", "abs_rel", "sq_rel", "rmse", "rmse_log", "silog", "log10")


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


def valid_pixels(truth: np.ndarray) -> np.ndarray:
    """(H, W) bool: the pixels of truth (H, W) metres that count for Eigen et al.: Garg's crop, up to 80 m."""
    inside = np.zeros(truth.shape, bool)
    inside[garg_crop(*truth.shape)] = True
    return inside & (truth > MIN_DEPTH) & (truth < MAX_DEPTH)


def compute_errors(gt: Array, pred: Array) -> Errors:
    """Depths of the valid pixels, (N,) metres, N > 0, already scaled and clamped. a1..a3 count ratios < 1.25^n."""
    lib = _library(gt)
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


def nine_errors(gt: Array, pred: Array) -> dict[str, Any]:
    """The errors of supervised papers (BTS, AdaBins, DPT) of the same depths, by name; d1..d3 are Errors' a1..a3.

    silog: 100 times the standard deviation of log pred - log gt over all N pixels; log10: mean |log10 pred - log10 gt|.
    """
    seven = compute_errors(gt, pred)._asdict()
    log_ratio = _log_ratio(gt, pred)
    spread = log_ratio.std() if isinstance(gt, np.ndarray) else log_ratio.std(correction=0)
    named = {name.replace("a", "d") if name in ("a1", "a2", "a3") else name: value for name, value in seven.items()}
    nine = {**named, "silog": 100 * spread, "log10": abs(log_ratio).mean() / math.log(10)}
    return {name: nine[name] for name in NINE}


def _log_ratio(gt: Any, pred: Any) -> Any:
    """log pred - log gt in float64: in float32 the spread of an almost constant ratio is lost."""
    lib = _library(gt)
    double = (lambda values: values.astype(np.float64)) if lib is np else (lambda values: values.double())
    return lib.log(double(pred)) - lib.log(double(gt))


def _library(gt: Any) -> Any:
    if isinstance(gt, np.ndarray):
        return np
    import torch

    return torch


def intersection_over_union(mask: np.ndarray, truth: np.ndarray) -> float:
    """Of two masks, bool of one shape; 1 where both are empty."""
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0
