"""Losses of a mask and a depth that one network predicts, and how the two become one number.

A criterion takes the logits of a head and their target in [0, 1], (B, 1, H, W) each, and returns a scalar: the mean over all
pixels. BCE is computed from the logits; the others compare sigmoid(logits) with the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from litemono.losses.silog import root_or_zero

Criterion = Callable[[Tensor, Tensor], Tensor]
C1, C2 = 0.01**2, 0.03**2  # of SSIM, for images in [0, 1]
SIGMA = 1.5  # of SSIM's Gaussian window, pixels


def criterion(name: str, ssim_window: int) -> Criterion:
    """The criterion of a name in mask_depth_names.CRITERIA. ssim_window: pixels, odd."""
    if name == "ssim":
        return lambda logits, target: ssim_loss(logits.sigmoid(), target, ssim_window)
    return {
        "bce": F.binary_cross_entropy_with_logits,
        "smooth-l1": lambda logits, target: F.smooth_l1_loss(logits.sigmoid(), target),
        "mse": lambda logits, target: F.mse_loss(logits.sigmoid(), target),
    }[name]


def ssim_loss(prediction: Tensor, target: Tensor, window: int) -> Tensor:
    """mean of clamp(1 - SSIM, 0, 1) / 2, in [0, 0.5]: dissimilar and opposite structures count the same.

    prediction, target: (B, 1, H, W) in [0, 1], H and W above window // 2. Gaussian windows (sigma 1.5) as in Wang et al. 2004,
    edges mirrored. losses/photometric.py has the SSIM of Godard et al. 2017, whose windows are plain means.
    """
    weights = _gaussian_window(window).to(prediction)
    pad = (window // 2,) * 4

    def blur(x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, pad, mode="reflect"), weights)

    mu_x, mu_y = blur(prediction), blur(target)
    variance_x = blur(prediction * prediction) - mu_x * mu_x
    variance_y = blur(target * target) - mu_y * mu_y
    covariance = blur(prediction * target) - mu_x * mu_y
    numerator = (2 * mu_x * mu_y + C1) * (2 * covariance + C2)
    similarity = numerator / ((mu_x * mu_x + mu_y * mu_y + C1) * (variance_x + variance_y + C2))
    return (1 - similarity).clamp(0, 1).mean() / 2


@cache
def _gaussian_window(size: int) -> Tensor:
    """(1, 1, size, size) weights with sum 1; float32, as the program whose numbers are compared has them."""
    line = torch.tensor([math.exp(-((i - size // 2) ** 2) / (2 * SIGMA**2)) for i in range(size)], dtype=torch.float32)
    line = line / line.sum()
    return (line[:, None] * line)[None, None]


def sum_of_roots(mask_loss: Tensor, depth_loss: Tensor) -> Tensor:
    """sqrt(l_m) + sqrt(l_d). At a loss of 0 the root has no slope: its gradient there is taken as 0, not as nan."""
    return root_or_zero(mask_loss) + root_or_zero(depth_loss)


def weighted_sum(mask_loss: Tensor, depth_loss: Tensor, weights: tuple[float, float]) -> Tensor:
    """a l_m + b l_d."""
    return weights[0] * mask_loss + weights[1] * depth_loss


class Uncertainty(nn.Module):
    """exp(-s_m) l_m + s_m + exp(-s_d) l_d + s_d with learned s, log variances. Kendall et al. 2018, eq. 10, up to a factor 2.

    A task whose loss stays large gets a smaller weight. s begins at 0: the plain sum. The total may become negative.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(2))  # mask, depth

    def forward(self, mask_loss: Tensor, depth_loss: Tensor) -> Tensor:
        losses = torch.stack([mask_loss, depth_loss])
        return ((-self.log_variance).exp() * losses + self.log_variance).sum()
