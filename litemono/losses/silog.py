"""Scale-invariant logarithmic error. Eigen et al. 2014, eq. 4; as a training loss with a root: Lee et al. 2019 (BTS)."""

from __future__ import annotations

import torch
from torch import Tensor


def silog(prediction: Tensor, target: Tensor, mask: Tensor, variance_focus: float = 0.85) -> Tensor:
    """10 sqrt(mean g^2 - variance_focus (mean g)^2) of g = log prediction - log target over all valid pixels.

    prediction, target: (B, H, W) metres, positive where mask (B, H, W) is true. Float32 under autocast; 0 with a zero
    gradient where the mask is empty or the prediction perfect.
    """
    with torch.autocast(prediction.device.type, enabled=False):
        ones = torch.ones_like(target, dtype=torch.float32)
        g = torch.where(mask, prediction.float(), ones).log() - torch.where(mask, target.float(), ones).log()
        count = mask.sum().clamp(min=1)
        square = (g * g).sum() / count - variance_focus * (g.sum() / count) ** 2
        positive = square > 0
        return 10 * torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0.0)
