"""Losses that do not see the scale and shift of a prediction, for relative depth. Ranftl et al. 2020 (MiDaS), section 5.

Prediction and target are inverse depth (disparity), (B, H, W), mask (B, H, W) bool is True where the target is valid. The
results are scalars in float32, or in float64 if given that; 0 with a zero gradient where no pixel is valid or the
prediction equals the target.
"""

from __future__ import annotations

import torch
from torch import Tensor

from litemono.losses.gradient_matching import gradient_sums
from litemono.losses.masked import Reduction, count, masked_loss, masked_mean, masked_sum, reduced

DEGENERATE = 1e-12  # variance of the prediction over its mean square below which it counts as constant


@masked_loss
def scale_and_shift(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(s, t) = argmin sum (s prediction + t - target)^2 over the valid pixels of each image: (B, 1, 1) each.

    Differentiable. A constant prediction, or one valid pixel, gives s = 0 and t = mean target; no valid pixel s = t = 0.
    Computed from centred values: in float32 the determinant of the normal equations would be lost to rounding.
    """
    mean_prediction, mean_target = masked_mean(prediction, mask), masked_mean(target, mask)
    centred = prediction - mean_prediction
    variance = masked_mean(centred.square(), mask)
    covariance = masked_mean(centred * (target - mean_target), mask)
    constant = variance <= DEGENERATE * masked_mean(prediction.square(), mask)
    scale = torch.where(constant, 0, covariance / torch.where(constant, 1, variance))
    return scale, mean_target - scale * mean_prediction


@masked_loss
def ssi_mse(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor,
    alpha: float = 0.5,
    scales: int = 4,
    reduction: Reduction = "batch",
) -> Tensor:
    """1/(2M) sum (s p + t - y)^2 + alpha R: mean squared error after alignment, and gradient matching.

    The gradient goes through s and t.
    """
    scale, shift = scale_and_shift(prediction, target, mask)
    residual = scale * prediction + shift - target
    loss = reduced(masked_sum(residual.square(), mask), 2 * count(mask), reduction)
    if alpha:
        loss = loss + alpha * sum(reduced(*terms, reduction) for terms in gradient_sums(residual, mask, scales))
    return loss


@masked_loss
def ssi_trimmed_mae(
    prediction: Tensor, target: Tensor, mask: Tensor, trim: float = 0.2, alpha: float = 0.5, scales: int = 4
) -> Tensor:
    """1/(2M) sum of the floor((1 - trim) M) smallest |p^ - y^| of each image, plus alpha R of p^ and y^. Eq. 5 to 8.

    p^ and y^ are `normalised`. Mean over the images that have a valid pixel. Left out are the largest residuals: holes and
    wrong edges of the ground truth.
    """
    residual = normalised(prediction, mask) - normalised(target, mask)
    m = count(mask)
    error = residual.abs()
    kept = smallest(error.detach(), mask, 1 - trim)
    trimmed = masked_sum(error, kept)
    per_image = trimmed / (2 * m).clamp(min=1)
    if alpha:
        matching = (total / valid.clamp(min=1) for total, valid in gradient_sums(residual, mask, scales))
        per_image = per_image + alpha * sum(matching)
    return per_image.sum() / (m > 0).sum().clamp(min=1)


def normalised(x: Tensor, mask: Tensor) -> Tensor:
    """(x - median) / mean |x - median|, both over the valid pixels of each image (eq. 5); x: (B, H, W).

    The median of an even number of values is the lower of the middle two. Constant values become 0. What comes out at
    invalid pixels has no meaning.
    """
    median = lower_median(x, mask)[..., None]
    median = torch.where(median.isnan(), 0, median)  # no valid pixel
    centred = x - median
    deviation = masked_mean(centred.abs(), mask)
    return centred / torch.where(deviation == 0, 1, deviation)


def lower_median(x: Tensor, mask: Tensor) -> Tensor:
    """Median of the valid pixels of each image, of an even number the lower of the middle two: (..., H, W) to (..., 1).

    NaN where no pixel is valid. The gradient goes to the first pixel that has this value, in every run.
    """
    median = value_at_rank(ascending(x, mask), (count(mask).flatten(-2) + 1) // 2)
    if not x.requires_grad:
        return median
    values = x.flatten(-2)
    place = torch.arange(values.shape[-1], dtype=torch.int32, device=x.device)
    first = torch.where(mask.flatten(-2) & (values == median), place, values.shape[-1]).amin(-1, keepdim=True)
    found = values.gather(-1, first.clamp(max=values.shape[-1] - 1).long())
    return torch.where(median.isnan(), torch.nan, found)


def smallest(x: Tensor, mask: Tensor, share: float) -> Tensor:
    """The floor(share M) smallest of the M valid pixels of each image, as a mask (..., H, W); of equal ones the first."""
    wanted = (share * count(mask).flatten(-2).double()).floor().long()
    limit = value_at_rank(ascending(x, mask), wanted)[..., None]
    below, equal = mask & ~(x >= limit), mask & (x == limit)  # NaN counts as below: it shall be seen in the loss
    left = wanted - below.sum((-2, -1))[..., None]
    return below | equal & (equal.flatten(-2).cumsum(-1, dtype=torch.int32) <= left).view(mask.shape)


def ascending(x: Tensor, mask: Tensor) -> Tensor:
    """The valid values of each image in ascending order, then NaN: (..., H, W) to (..., H W). Without a gradient."""
    values = torch.where(mask, x.detach(), torch.nan).flatten(-2)
    if values.device.type != "cpu":
        return values.sort(-1).values
    values.numpy().sort(
        -1
    )  # in place; with vector instructions a fifth of the time of torch's median, a 40th of its sort
    return values


def value_at_rank(ordered: Tensor, rank: Tensor) -> Tensor:
    """ordered (..., N), rank (..., 1) from 1 -> the value of that rank, (..., 1); of rank 0 the first."""
    return ordered.gather(-1, (rank - 1).clamp(min=0))
