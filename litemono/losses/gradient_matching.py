"""Multi-scale gradient matching: edges of the prediction where the ground truth has them.

    R = sum over k < K of 1 / M_k sum |d_x r| + |d_y r|      r = prediction - target, every 2^k-th row and column

Li and Snavely 2018 (MegaDepth); Ranftl et al. 2020 (MiDaS). A difference counts where both of its pixels are
valid; M_k is the number of valid pixels that the thinning leaves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from litemono.losses.masked import Reduction, count, masked_loss, masked_sum, reduced


@masked_loss
def gradient_matching(
    prediction: Tensor, target: Tensor, mask: Tensor, scales: int = 4, reduction: Reduction = "batch"
) -> Tensor:
    """R as a scalar, in the units of the prediction.

    prediction, target: (B, H, W), already aligned in scale and shift; mask: (B, H, W) bool, True where target is valid.
    A scale without a valid pixel adds 0.
    """
    terms = gradient_sums(prediction - target, mask, scales)
    return torch.stack([reduced(sums, counts, reduction) for sums, counts in terms]).sum()


def gradient_sums(residual: Tensor, mask: Tensor, scales: int) -> list[tuple[Tensor, Tensor]]:
    """For each scale the sum of absolute differences of residual (B, H, W) and M_k, (B, 1, 1) each."""
    sums = []
    for k in range(scales):
        r, valid = (x[..., :: 2**k, :: 2**k] for x in (residual, mask))
        across = masked_sum(r.diff(dim=-1).abs(), valid[..., 1:] & valid[..., :-1])
        down = masked_sum(r.diff(dim=-2).abs(), valid[..., 1:, :] & valid[..., :-1, :])
        sums.append((across + down, count(valid)))
    return sums
