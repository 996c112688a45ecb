"""The photometric error with a hand-written gradient: the same numbers as photometric.py in less time and memory.

What differs from the plain version: all S source views are compared at once, the target's local statistics are computed
once for all views and scales, and the backward pass keeps only the candidates and recomputes the rest. Images are
(B, S, 3, H, W) for S candidates against one target (B, 1, 3, H, W), values in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F

from litemono.losses.photometric import ALPHA, C1, C2


def _reflect(x: torch.Tensor) -> torch.Tensor:
    """One mirrored pixel on each side of (..., H, W)."""
    return F.pad(x.flatten(0, -3), (1, 1, 1, 1), mode="reflect").unflatten(0, x.shape[:-2])


def _mean3x3(padded: torch.Tensor) -> torch.Tensor:
    """3x3 means of (..., H + 2, W + 2): (..., H, W)."""
    if padded.device.type == "cuda" and not torch.compiler.is_compiling():  # one kernel instead of five
        return F.avg_pool2d(padded.flatten(0, -3), 3, 1).unflatten(0, padded.shape[:-2])
    rows = padded[..., :-2, :] + padded[..., 1:-1, :]
    rows += padded[..., 2:, :]
    sums = rows[..., :-2] + rows[..., 1:-1]
    sums += rows[..., 2:]
    return sums.div_(9)  # torch's avg_pool2d on a CPU takes five times as long


def _mean3x3_adjoint(grad: torch.Tensor) -> torch.Tensor:
    """The transpose of `_mean3x3(_reflect(x))`, (..., H, W) to the same: a pixel's gradient through all the means.

    Written out because autograd's version of the mirror adds with atomics on a GPU, in an order that changes.
    """
    spread = _mean3x3(F.pad(grad.flatten(0, -3), (2, 2, 2, 2)))
    spread[..., 2] += spread[..., 0]
    spread[..., -3] += spread[..., -1]
    spread[..., 2, :] += spread[..., 0, :]
    spread[..., -3, :] += spread[..., -1, :]
    return spread[..., 1:-1, 1:-1].unflatten(0, grad.shape[:-2])


class Target(NamedTuple):
    """An image to compare with, and its local statistics, computed once for all candidates and scales."""

    image: torch.Tensor  # (B, 1, 3, H, W), like mean, energy and spread
    padded: torch.Tensor  # (B, 1, 3, H + 2, W + 2)
    mean: torch.Tensor
    energy: torch.Tensor  # mean^2 + C1
    spread: torch.Tensor  # variance + C2


def target(image: torch.Tensor) -> Target:
    """The local statistics of a target image (B, 3, H, W); no gradient reaches it."""
    image = image.detach().unsqueeze(1)
    padded = _reflect(image)
    mean = _mean3x3(padded)
    square = mean * mean
    return Target(image, padded, mean, square + C1, _mean3x3(padded * padded) - square + C2)


class _Ratio(NamedTuple):
    """SSIM = 4 * (luminance * structure) / (energy * spread): without the usual factors 2, for fewer passes over maps."""

    luminance: torch.Tensor  # mean * mean' + C1 / 2
    structure: torch.Tensor  # covariance + C2 / 2
    energy: torch.Tensor  # mean^2 + mean'^2 + C1
    spread: torch.Tensor  # variance + variance' + C2
    mean: torch.Tensor

    def quarter_ssim(self) -> torch.Tensor:
        return (self.luminance * self.structure) / (self.energy * self.spread)


def _ratio(candidates: torch.Tensor, reference: Target) -> _Ratio:
    padded = _reflect(candidates)
    mean = _mean3x3(padded)
    product, square = mean * reference.mean, mean * mean
    return _Ratio(
        luminance=product + C1 / 2,
        structure=_mean3x3(padded * reference.padded) - product + C2 / 2,
        energy=square + reference.energy,
        spread=_mean3x3(padded * padded) - square + reference.spread,
        mean=mean,
    )


class Kernels(NamedTuple):
    """How the photometric error is computed: `EAGER`, or the same two functions compiled (compiled.py)."""

    error: Callable[..., torch.Tensor]
    gradient: Callable[..., torch.Tensor]


def dissimilarity(candidates: torch.Tensor, reference: Target) -> torch.Tensor:
    """(1 - SSIM) / 2 in [0, 1] per channel, of 3x3 windows with mirrored edges: (B, S, 3, H, W) to the same."""
    return (0.5 - 2 * _ratio(candidates, reference).quarter_ssim()).clamp(0, 1)


def _error(candidates: torch.Tensor, *reference: torch.Tensor) -> torch.Tensor:
    """0.85 * (1 - SSIM) / 2 + 0.15 * L1: (B, S, H, W)."""
    reference = Target(*reference)
    structure = dissimilarity(candidates, reference).mean(2)
    return ALPHA * structure + (1 - ALPHA) * l1_error(candidates, reference)


def _error_gradient(grad: torch.Tensor, candidates: torch.Tensor, *reference: torch.Tensor) -> torch.Tensor:
    """The gradient of the candidates (B, S, 3, H, W), given that of `_error`, grad (B, S, H, W).

    With n = luminance structure, d = energy spread and q = n / d = SSIM / 4 the chain rule goes through the three local
    means that depend on a candidate x with target y: mean(x), mean(x^2) and mean(x y).
    """
    reference = Target(*reference)
    ratio = _ratio(candidates, reference)
    quarter = ratio.quarter_ssim()
    grad = grad.unsqueeze(2) / candidates.shape[2]
    by_quarter = torch.where(quarter.abs() <= 0.25, -2 * ALPHA * grad, 0)  # 0 where the clamp holds
    by_numerator = by_quarter / (ratio.energy * ratio.spread)
    by_denominator = -by_quarter * quarter
    by_product = by_numerator * ratio.luminance
    by_square = by_denominator / ratio.spread
    by_mean = reference.mean * (by_numerator * ratio.structure - by_product)
    by_mean += 2 * ratio.mean * (by_denominator / ratio.energy - by_square)
    through_ssim = (
        _mean3x3_adjoint(by_mean)
        + 2 * candidates * _mean3x3_adjoint(by_square)
        + reference.image * _mean3x3_adjoint(by_product)
    )
    through_l1 = (1 - ALPHA) * grad * (candidates - reference.image).sign()
    return through_ssim + through_l1


EAGER = Kernels(_error, _error_gradient)


class _PhotometricError(torch.autograd.Function):
    """`_error` with a backward that keeps nothing but the candidates.

    Autograd would keep about twelve maps as large as the candidates; recomputing the local means costs less than
    writing those and reading them back.
    """

    @staticmethod
    def forward(ctx, kernels, candidates, *reference):
        ctx.kernels = kernels
        ctx.save_for_backward(candidates, *reference)
        return kernels.error(candidates, *reference)

    @staticmethod
    def backward(ctx, grad):
        none_to_reference = [None] * len(Target._fields)
        return None, ctx.kernels.gradient(grad.contiguous(), *ctx.saved_tensors), *none_to_reference


def photometric_error(candidates: torch.Tensor, reference: Target, kernels: Kernels = EAGER) -> torch.Tensor:
    """photometric.photometric_error of S candidates: (B, S, 3, H, W) to (B, S, H, W). Gradient to the candidates only."""
    return _PhotometricError.apply(kernels, candidates, *reference)


def l1_error(candidates: torch.Tensor, reference: Target) -> torch.Tensor:
    """Mean absolute difference over channels: (B, S, 3, H, W) to (B, S, H, W)."""
    return (candidates - reference.image).abs().mean(2)
