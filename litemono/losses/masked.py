"""What the supervised losses share: precision under autocast, and sums over the valid pixels of sparse ground truth."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

Reduction = Literal["batch", "image"]
"""batch: sums over all images / valid pixels of all images. image: each image by its own count, then the mean over images."""


def masked_loss(loss: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates loss(prediction, target, mask, ...): float32 at least, also under autocast, and 0 for both at invalid pixels.

    Invalid pixels thus pass no gradient, whatever they hold. float64 stays float64.
    """

    @functools.wraps(loss)
    def outside_autocast(prediction: Tensor, target: Tensor, mask: Tensor, *args: Any, **options: Any) -> Any:
        with torch.autocast(prediction.device.type, enabled=False):
            prediction, target = (
                torch.where(mask, x, 0).to(torch.promote_types(x.dtype, torch.float32)) for x in (prediction, target)
            )
            return loss(prediction, target, mask, *args, **options)

    return outside_autocast


def masked_sum(x: Tensor, mask: Tensor) -> Tensor:
    """Sum over the valid pixels of each image: (..., H, W) to (..., 1, 1)."""
    return torch.where(mask, x, 0).sum((-2, -1), keepdim=True)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid pixels of each image: (..., H, W) to (..., 1, 1); 0 where an image has none."""
    return masked_sum(x, mask) / count(mask).clamp(min=1)


def count(mask: Tensor) -> Tensor:
    """Valid pixels of each image: (..., H, W) to (..., 1, 1)."""
    return mask.sum((-2, -1), keepdim=True)


def reduced(sums: Tensor, counts: Tensor, reduction: Reduction) -> Tensor:
    """sums / counts as a scalar, per batch or per image (see Reduction); an image or batch without a pixel gives 0."""
    if reduction == "batch":
        return sums.sum() / counts.sum().clamp(min=1)
    return (sums / counts.clamp(min=1)).mean()
