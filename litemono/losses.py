"""What a synthesised view is compared with and how: SSIM and L1, smoothness, per-pixel minimum and auto-masking.

Images are (B, S, 3, H, W) for S candidates against one target (B, 1, 3, H, W), values in [0, 1].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

C1, C2 = 0.01**2, 0.03**2  # Wang et al. 2004, for images in [0, 1]
SSIM_WEIGHT = 0.85  # Godard et al. 2017; the rest is L1


def _reflect(x: torch.Tensor) -> torch.Tensor:
    """One mirrored pixel on each side of (..., H, W)."""
    return F.pad(x.flatten(0, -3), (1, 1, 1, 1), mode="reflect").unflatten(0, x.shape[:-2])


def _mean3x3(padded: torch.Tensor) -> torch.Tensor:
    """3x3 means of (..., H + 2, W + 2): (..., H, W)."""
    return F.avg_pool2d(padded.flatten(0, -3), 3, 1).unflatten(0, padded.shape[:-2])


def _mean3x3_adjoint(grad: torch.Tensor) -> torch.Tensor:
    """The transpose of `_mean3x3(_reflect(x))`: what each pixel of (..., H, W) contributed to all the means.

    Written out because autograd's version of the mirror adds with atomics on a GPU, in an order that changes.
    """
    spread = F.avg_pool2d(F.pad(grad.flatten(0, -3), (1, 1, 1, 1)), 3, 1, padding=1)
    spread[..., 2] += spread[..., 0]
    spread[..., -3] += spread[..., -1]
    spread[..., 2, :] += spread[..., 0, :]
    spread[..., -3, :] += spread[..., -1, :]
    return spread[..., 1:-1, 1:-1].unflatten(0, grad.shape[:-2])


class Target(NamedTuple):
    """An image to compare with, and its local statistics, computed once for all candidates and scales."""

    image: torch.Tensor  # (B, 1, 3, H, W)
    padded: torch.Tensor  # (B, 1, 3, H + 2, W + 2)
    mean: torch.Tensor
    variance: torch.Tensor


def target(image: torch.Tensor) -> Target:
    """image: (B, 3, H, W) or (B, 1, 3, H, W)."""
    image = image.detach() if image.dim() == 5 else image.detach().unsqueeze(1)
    padded = _reflect(image)
    mean = _mean3x3(padded)
    return Target(image, padded, mean, _mean3x3(padded * padded) - mean * mean)


class _Ratio(NamedTuple):
    """SSIM = (luminance * structure) / (energy * spread), and the candidate's local mean."""

    luminance: torch.Tensor
    structure: torch.Tensor
    energy: torch.Tensor
    spread: torch.Tensor
    mean: torch.Tensor

    def ssim(self) -> torch.Tensor:
        return (self.luminance * self.structure) / (self.energy * self.spread)


def _ratio(candidates: torch.Tensor, reference: Target) -> _Ratio:
    padded = _reflect(candidates)
    mean = _mean3x3(padded)
    product = mean * reference.mean
    square = mean * mean
    covariance = _mean3x3(padded * reference.padded) - product
    variance = _mean3x3(padded * padded) - square
    return _Ratio(
        luminance=2 * product + C1,
        structure=2 * covariance + C2,
        energy=square + reference.mean * reference.mean + C1,
        spread=variance + reference.variance + C2,
        mean=mean,
    )


class _PhotometricError(torch.autograd.Function):
    """0.85 * (1 - SSIM) / 2 + 0.15 * L1 with a backward that keeps nothing but the candidates.

    Autograd would keep about twelve maps as large as the candidates; recomputing the local means costs less than
    writing those and reading them back.
    """

    @staticmethod
    def forward(ctx, candidates, image, padded, mean, variance):
        reference = Target(image, padded, mean, variance)
        ctx.save_for_backward(candidates, *reference)
        dissimilarity = ((1 - _ratio(candidates, reference).ssim()) / 2).clamp(0, 1).mean(2)
        return SSIM_WEIGHT * dissimilarity + (1 - SSIM_WEIGHT) * (candidates - image).abs().mean(2)

    @staticmethod
    def backward(ctx, grad):
        candidates, *rest = ctx.saved_tensors
        reference = Target(*rest)
        ratio = _ratio(candidates, reference)
        ssim = ratio.ssim()
        grad = grad.unsqueeze(2) / candidates.shape[2]
        # d/dSSIM of the clamped dissimilarity, zero where the clamp holds
        grad_ssim = torch.where((ssim <= 1) & (ssim >= -1), grad * (-SSIM_WEIGHT / 2), 0)
        by_square = -grad_ssim * ssim / ratio.spread
        by_product = 2 * grad_ssim * ratio.luminance / (ratio.energy * ratio.spread)
        by_mean = 2 * grad_ssim * (ratio.structure / ratio.spread * reference.mean - ssim * ratio.mean) / ratio.energy
        by_mean -= 2 * ratio.mean * by_square + reference.mean * by_product
        through_ssim = (
            _mean3x3_adjoint(by_mean)
            + 2 * candidates * _mean3x3_adjoint(by_square)
            + reference.image * _mean3x3_adjoint(by_product)
        )
        through_l1 = (1 - SSIM_WEIGHT) * grad * (candidates - reference.image).sign()
        return through_ssim + through_l1, None, None, None, None


def ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Dissimilarity (1 - SSIM) / 2 in [0, 1] of images x, y (B, 3, H, W), per channel: 3x3 windows, mirrored edges."""
    return ((1 - _ratio(x.unsqueeze(1), target(y)).ssim().squeeze(1)) / 2).clamp(0, 1)


def photometric_error(candidates: torch.Tensor, reference: Target) -> torch.Tensor:
    """SSIM and L1 per pixel, averaged over channels: (B, S, 3, H, W) to (B, S, H, W). Gradient to the candidates only."""
    return _PhotometricError.apply(candidates, *reference)


def l1_error(candidates: torch.Tensor, reference: Target) -> torch.Tensor:
    """Mean absolute difference over channels: (B, S, 3, H, W) to (B, S, H, W)."""
    return (candidates - reference.image).abs().mean(2)


def smoothness(disp: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Edge-aware smoothness (a scalar) of disparity (B, 1, H, W), normalised by its mean so that scale cannot lower it.

    image: (B, 3, H, W) of the same size; its edges make the disparity's steps cheap.
    """
    normalised = disp / (disp.mean((2, 3), keepdim=True) + 1e-7)
    total = disp.new_zeros(())
    for axis in (-1, -2):
        edges = image.detach().diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (normalised.diff(dim=axis).abs() * torch.exp(-edges)).mean()
    return total


def tie_break(identity: torch.Tensor, noise_std: float) -> torch.Tensor:
    """Noise on the identity errors, so that equal candidates (a still camera) are settled by chance. Godard et al. 2019."""
    return identity + noise_std * torch.randn_like(identity) if noise_std else identity


def per_pixel_minimum(
    reprojected: torch.Tensor, identity: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The smallest error per pixel over source views (B, S, H, W): (B, 1, H, W), and the automask.

    automask: (B, 1, H, W) bool, True where a warped view explains the pixel better than the same view unwarped, that
    is, where depth and pose get a gradient; None when identity is None.
    """
    best = reprojected.min(1, keepdim=True).values
    if identity is None:
        return best, None
    still = identity.min(1, keepdim=True).values
    automask = best < still
    return torch.where(automask, best, still), automask
