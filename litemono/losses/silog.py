"""Scale-invariant logarithmic error (SILog) in the forms that published programs train with.

With g = log prediction - log target over the valid pixels of the whole batch together

    D(lambda) = mean g^2 - lambda (mean g)^2 = var g + (1 - lambda) (mean g)^2

lambda is the variance focus: 0 is the mean squared log error, 1 leaves the scale of the prediction free. The second form
is the one computed; it cannot become negative by rounding. Eigen et al. 2014, eq. 4; with a root: Lee et al. 2019 (BTS).

All take prediction and target (B, H, W) in metres, positive where mask (B, H, W) is true, and return a scalar in float32,
or in float64 if given that. The result is 0 with a zero gradient where the mask is empty or the prediction is perfect, and
not finite where a valid prediction is not positive. These are training losses: the metric silog is 100 sqrt(D(1)).
"""

from __future__ import annotations

import torch
from torch import Tensor

from litemono.losses.masked import masked_loss


@masked_loss
def silog(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    variance_focus: float = 0.85,
    *,
    factor: float = 10.0,
    root: bool = True,
    unbiased: bool = False,
    epsilon: float = 0.0,
) -> Tensor:
    """factor sqrt(D(variance_focus)), or factor D without root.

    unbiased: the variance is divided by n - 1 (by 1 where one pixel is valid); epsilon: metres added before both logarithms.
    """
    g = (torch.where(mask, prediction, 1) + epsilon).log() - (torch.where(mask, target, 1) + epsilon).log()
    n = mask.sum()
    mean = g.sum() / n.clamp(min=1)
    squares = torch.where(mask, g - mean, 0).square().sum()
    variance = squares / (n - 1 if unbiased else n).clamp(min=1)
    error = variance + (1 - variance_focus) * mean.square()
    return factor * (root_or_zero(error) if root else error)


def root_or_zero(x: Tensor) -> Tensor:
    """sqrt(x) whose gradient at 0 is 0 instead of infinite. NaN stays NaN."""
    zero = x == 0
    return torch.where(zero, 0, torch.where(zero, 1, x).sqrt())


def bts(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """10 sqrt(D(0.85)). Lee et al. 2019 (From Big to Small); they train on targets above 1 m (KITTI), 0.1 m (NYU)."""
    return silog(prediction, target, mask, 0.85)


def adabins(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """10 sqrt(var g + 0.15 (mean g)^2) with the unbiased variance. Bhat et al. 2021 (AdaBins), as in their program."""
    return silog(prediction, target, mask, 0.85, unbiased=True)


def zoedepth(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """As adabins, with 1e-7 m added before the logarithms. Bhat et al. 2023 (ZoeDepth), as in their program."""
    return silog(prediction, target, mask, 0.85, unbiased=True, epsilon=1e-7)


def depth_anything(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """sqrt(D(0.5)), without a factor. Yang et al. 2024 (Depth Anything V2), metric fine-tuning."""
    return silog(prediction, target, mask, 0.5, factor=1.0)


def eigen(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """D(0.5): no root, no factor. Eigen et al. 2014, eq. 4; Ranftl et al. 2021 (DPT) fine-tune with it on KITTI."""
    return silog(prediction, target, mask, 0.5, factor=1.0, root=False)
