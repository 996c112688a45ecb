"""The photometric objective of self-supervised depth, as the papers write it.

A source view I_t' warped into the target camera is compared with the target image I_t:

    pe(I_t, I_t'->t) = alpha / 2 (1 - SSIM(I_t, I_t'->t)) + (1 - alpha) |I_t - I_t'->t|     alpha = 0.85
    L_p = min over t' of pe(I_t, I_t'->t)                                                 minimum reprojection
    mu  = [min over t' of pe(I_t, I_t'->t) < min over t' of pe(I_t, I_t')]                auto-mask

Zhou et al. 2017 (view synthesis as supervision), Godard et al. 2017 (SSIM + L1), Godard et al. 2019 (minimum reprojection
and auto-mask), Wang et al. 2004 (SSIM). Autograd does the gradients here. Training computes the same error by
photometric_fused.py, which is tested against this module.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ALPHA = 0.85  # weight of SSIM against L1
C1, C2 = 0.01**2, 0.03**2  # of SSIM, for images in [0, 1]


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity in 3x3 windows, edges mirrored. Wang et al. 2004, eq. 13.

        SSIM = (2 mu_x mu_y + C1) (2 sigma_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (sigma_x^2 + sigma_y^2 + C2))

    x, y: (B, C, H, W) in [0, 1], H and W at least 2. Returns (B, C, H, W) in [-1, 1], per channel. Windows are means with
    equal weights, as in Godard et al. 2017.
    """
    x, y = (F.pad(image, (1, 1, 1, 1), mode="reflect") for image in (x, y))
    mu_x, mu_y = F.avg_pool2d(x, 3, 1), F.avg_pool2d(y, 3, 1)
    variance_x = F.avg_pool2d(x * x, 3, 1) - mu_x * mu_x
    variance_y = F.avg_pool2d(y * y, 3, 1) - mu_y * mu_y
    covariance = F.avg_pool2d(x * y, 3, 1) - mu_x * mu_y
    numerator = (2 * mu_x * mu_y + C1) * (2 * covariance + C2)
    denominator = (mu_x * mu_x + mu_y * mu_y + C1) * (variance_x + variance_y + C2)
    return numerator / denominator


def l1_error(image: Tensor, target: Tensor) -> Tensor:
    """|I_t - I| averaged over channels: (B, 3, H, W) each to (B, 1, H, W)."""
    return (image - target).abs().mean(1, keepdim=True)


def photometric_error(image: Tensor, target: Tensor) -> Tensor:
    """pe(target, image), averaged over channels. Godard et al. 2017, eq. 2; (1 - SSIM) / 2 is clamped to [0, 1].

    image, target: (B, 3, H, W) in [0, 1]. Returns (B, 1, H, W). Of a warped source view this is its reprojection error, of
    the source view as it is its identity error.
    """
    dissimilarity = ((1 - ssim(image, target)) / 2).clamp(0, 1).mean(1, keepdim=True)
    return ALPHA * dissimilarity + (1 - ALPHA) * l1_error(image, target)


def per_pixel_minimum(reprojection: Tensor, identity: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The minimum reprojection error and the auto-mask. Godard et al. 2019, eq. 4 and 5.

    reprojection, identity: (B, S, H, W), errors of S source views warped and as they are; identity None: no auto-mask.
    Returns (B, 1, H, W) errors and the auto-mask mu, (B, 1, H, W) bool: True where a warped view explains the pixel better
    than every view as it is, so that depth and pose get a gradient. Where mu is False the pixel counts with its identity
    error, a constant, as in the authors' program; the paper multiplies by mu.
    """
    if identity is None:
        return reprojection.min(1, keepdim=True).values, None
    minimum, view = torch.cat([identity, reprojection], dim=1).min(1, keepdim=True)  # of equal errors the first counts
    return minimum, view >= identity.shape[1]


def tie_break(identity: Tensor, noise_std: float) -> Tensor:
    """Identity errors plus Gaussian noise, so that chance decides between equal views (a still camera).

    identity: any shape; noise_std: 0 returns it unchanged. Not in the paper, but in its authors' program.
    """
    return identity + noise_std * torch.randn_like(identity) if noise_std else identity
