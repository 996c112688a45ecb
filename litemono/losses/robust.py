"""L1, berHu and smooth L1 of metric depth.

All take prediction and target (B, H, W) in metres and mask (B, H, W) bool, True where the target is valid, and return the
mean over the valid pixels of the whole batch: a scalar in metres (berHu, smooth L1: in mixed units), float32, or float64 if
given that; 0 with a zero gradient where no pixel is valid or the prediction is perfect.
"""

from __future__ import annotations

import torch
from torch import Tensor

from litemono.losses.masked import masked_loss


@masked_loss
def l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """mean |r|, r = prediction - target."""
    return _mean((prediction - target).abs(), mask)


@masked_loss
def berhu(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Reverse Huber: |r| up to c, (r^2 + c^2) / (2 c) above, c = max |r| / 5 over the batch. Laina et al. 2016.

    c is a constant of the step: no gradient goes through it.
    """
    return _mean(berhu_of(prediction - target), mask)


@masked_loss
def smooth_l1(prediction: Tensor, target: Tensor, mask: Tensor, beta: float = 1.0) -> Tensor:
    """r^2 / (2 beta) below beta metres, |r| - beta / 2 above. Girshick 2015 (Fast R-CNN), eq. 3, where beta is 1."""
    residual = (prediction - target).abs()
    return _mean(torch.where(residual < beta, residual.square() / (2 * beta), residual - beta / 2), mask)


def berhu_of(residual: Tensor) -> Tensor:
    """berHu of each residual; `berhu` says of what."""
    size = residual.abs()
    c = size.detach().amax() / 5
    return torch.where(size <= c, size, (size.square() + c * c) / (2 * torch.where(c > 0, c, 1)))


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of x over the valid pixels; x is 0 at invalid ones."""
    return x.sum() / mask.sum().clamp(min=1)
