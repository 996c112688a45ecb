"""Losses of metric depth in which objects weigh more or less than the rest.

All take prediction and target (B, H, W) in metres, mask (B, H, W) bool, True where the target is valid, and weight (B, H, W),
None for 1 everywhere (`object_weights` makes it from object masks). They return a scalar in float32, or in float64 if given
that; 0 with a zero gradient where no pixel counts or the prediction is perfect.

    mean w e = sum w e / (valid pixels)         or, where `normalised`, / sum w

In the program of ZoeDepthRefine it is the first for 0 <= lambda < 1, and the second for lambda = 1, whose weights leave only
objects.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from litemono.losses.masked import masked_loss
from litemono.losses.robust import berhu_of
from litemono.losses.silog import root_or_zero


class Weights(NamedTuple):
    """Of the pixels."""

    weight: Tensor
    """(B, H, W), at least 0."""
    normalised: bool
    """The mean is over the weights, not over the pixels."""


def object_weights(objects: Tensor, share: float) -> Weights:
    """share (lambda) on objects, 1 - share elsewhere. objects: (B, H, W) bool."""
    return Weights(torch.where(objects, share, 1 - share), normalised=share == 1)


def mean_of(error: Tensor, mask: Tensor, weights: Weights | None) -> Tensor:
    """mean w e over the valid pixels of the whole batch; error: 0 at invalid pixels."""
    if weights is None:
        return error.sum() / mask.sum().clamp(min=1)
    weight = torch.where(mask, weights.weight.to(error.dtype), 0)
    total = weight.sum() if weights.normalised else mask.sum()
    return (weight * error).sum() / torch.where(total > 0, total, 1)


@masked_loss
def mse(prediction: Tensor, target: Tensor, mask: Tensor, weights: Weights | None = None) -> Tensor:
    """mean w r^2, r = prediction - target."""
    return mean_of((prediction - target).square(), mask, weights)


@masked_loss
def l1(prediction: Tensor, target: Tensor, mask: Tensor, weights: Weights | None = None) -> Tensor:
    """mean w |r|."""
    return mean_of((prediction - target).abs(), mask, weights)


@masked_loss
def rmse(prediction: Tensor, target: Tensor, mask: Tensor, weights: Weights | None = None) -> Tensor:
    """sqrt(mean w r^2), the root of mse."""
    return root_or_zero(mean_of((prediction - target).square(), mask, weights))


@masked_loss
def berhu(prediction: Tensor, target: Tensor, mask: Tensor, weights: Weights | None = None) -> Tensor:
    """mean w b(r): b = |r| up to c, (r^2 + c^2) / (2 c) above, c = max |r| / 5 over the batch. Laina et al. 2016."""
    return mean_of(berhu_of(prediction - target), mask, weights)


@masked_loss
def rmsle(prediction: Tensor, target: Tensor, mask: Tensor, weights: Weights | None = None) -> Tensor:
    """sqrt(mean w (log(prediction + 1) - log(target + 1))^2)."""
    return root_or_zero(mean_of((prediction.log1p() - target.log1p()).square(), mask, weights))


@masked_loss
def msr(prediction: Tensor, target: Tensor, mask: Tensor, weights: Weights | None = None) -> Tensor:
    """mean w r^2 / (target^2 + 1e-9), 0 where the target is not beyond 0.2 m. Mean squared relative error."""
    error = (prediction - target).square() / (target.square() + 1e-9)
    return mean_of(torch.where(target > 0.2, error, 0), mask, weights)


@masked_loss
def silog(prediction: Tensor, target: Tensor, mask: Tensor, weights: Weights | None = None) -> Tensor:
    """10 sqrt(mean g^2 - 0.85 (mean g)^2), g = log prediction - log target; both means are over the weights.

    Without weights it is BTS's (losses/silog.py). A prediction that is not positive gives NaN or infinity.
    """
    g = torch.where(mask, prediction, 1).log() - torch.where(mask, target, 1).log()
    by = None if weights is None else Weights(weights.weight, normalised=True)
    mean = mean_of(g, mask, by)
    variance = mean_of(torch.where(mask, g - mean, 0).square(), mask, by)
    return 10 * root_or_zero(variance + 0.15 * mean.square())
