"""The depth errors that the published trainer logs while it trains."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from litemono.data.kitti.velodyne import TRAINING_DEPTH_SIZE
from litemono.metrics import MAX_DEPTH, MIN_DEPTH, compute_errors

CROP = (slice(153, 371), slice(44, 1197))  # Garg et al. 2016, at TRAINING_DEPTH_SIZE


@torch.no_grad()
def train_depth_errors(truth: Tensor, depth: Tensor) -> Tensor | None:
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
    errors = compute_errors(truth, pred)
    return torch.stack([torch.as_tensor(error, dtype=torch.float64) for error in errors])
