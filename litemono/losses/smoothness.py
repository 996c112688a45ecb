"""Edge-aware smoothness of disparity. Godard et al. 2017, eq. 3; of the mean-normalised disparity: Godard et al. 2019, eq. 3.

L_s = |d_x d*| exp(-|d_x I|) + |d_y d*| exp(-|d_y I|)      d* = d / mean(d)
"""

from __future__ import annotations

import torch
from torch import Tensor


def smoothness(disp: Tensor, image: Tensor) -> Tensor:
    """L_s as a scalar, mean over pixels and batch.

    disp: (B, 1, H, W) disparity; its scale does not matter, so that shrinking it cannot lower the loss.
    image: (B, 3, H, W), same size; no gradient reaches it.
    """
    normalised = disp / (disp.mean((2, 3), keepdim=True) + 1e-7)
    total = disp.new_zeros(())
    for axis in (-1, -2):
        edges = image.detach().diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (normalised.diff(dim=axis).abs() * torch.exp(-edges)).mean()
    return total
