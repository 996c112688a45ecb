"""Validation of supervised training: the nine errors of each image, for metric and for relative predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from litemono.engine.task import Mean
from litemono.losses.scale_shift import scale_and_shift
from litemono.metrics import NINE, nine_errors

SCALE_FREE = tuple(name for name in NINE if name not in ("sq_rel", "rmse"))
"""Errors that mean something where depth is known up to a factor."""
ErrorsOf = dict[str, float] | None
"""Of one image by name; None where no pixel has ground truth."""


def metric_errors(depth: Tensor, truth: Tensor, valid: Tensor) -> list[ErrorsOf]:
    """Nine errors of each image. depth, truth: (B, H, W) metres; valid: (B, H, W) bool. No scaling of the prediction."""
    return [
        {name: float(value) for name, value in nine_errors(t[v].double(), d[v].double()).items()} if v.any() else None
        for d, t, v in zip(depth, truth, valid, strict=True)
    ]


def relative_errors(disparity: Tensor, target: Tensor, valid: Tensor) -> list[ErrorsOf]:
    """SCALE_FREE errors after a least-squares fit of scale and shift to each image's truth.

    disparity, target: (B, H, W) inverse depth up to scale and shift, and up to scale; valid: (B, H, W) bool. Nothing is
    predicted further away than the truth's furthest pixel, as with a cap.
    """
    scale, shift = scale_and_shift(disparity, target, valid)
    furthest = torch.where(valid, target, torch.inf).amin((-2, -1), keepdim=True)
    aligned = torch.maximum(scale * disparity + shift, furthest)
    errors = metric_errors(1 / aligned, 1 / torch.where(valid, target, 1), valid)
    return [None if error is None else {name: error[name] for name in SCALE_FREE} for error in errors]


def full_size(depth: Tensor, truth: Tensor, sizes: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    """Depth (1, h, w) metres enlarged to its image's size, bilinear in inverse depth, and the truth (1, h, w) of each image.

    depth: (B, H, W); truth: (B, h', w') with zeros below and right of each; sizes: (B, 2) height and width.
    """
    for d, t, (height, width) in zip(depth, truth, sizes.tolist(), strict=True):
        inverse = F.interpolate(1 / d[None, None], (height, width), mode="bilinear", align_corners=False)[0]
        yield 1 / inverse, t[None, :height, :width]


def means(errors: Sequence[ErrorsOf], names: Sequence[str], prefix: str = "") -> dict[str, Mean]:
    """Over the images that have ground truth."""
    there = [error for error in errors if error is not None]
    return {prefix + name: Mean(sum(error[name] for error in there), len(there)) for name in names}
