"""A depth network as supervised training sees it: its prediction in the loss's terms, and what stays frozen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from litemono.geometry import disp_to_depth
from litemono.losses.masked import count
from litemono.losses.scale_shift import lower_median
from networks.depth_net import DepthNet
from networks.metric_head import METRIC_HEADS, MetricHead, inverse_depth

Terms = Literal["metric", "relative"]
"""Of a loss: metric depth in metres, or relative inverse depth of unknown scale and shift."""
NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)


class SupervisedModel(nn.Module):
    """Images (B, 3, H, W) in [0, 1] -> (B, H, W): metres, or inverse depth up to scale and shift.

    A disparity in (0, 1) becomes metres by its range of depths (Godard et al. 2019), relative inverse depth r by
    1 / max(scale r + shift, 1e-8) (Ranftl et al. 2021). scale and shift are buffers, part of every checkpoint.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, depth: DepthNet, terms: Terms, min_depth: float, max_depth: float, head: MetricHead | None
    ) -> None:
        """min_depth, max_depth: metres at disparity 1 and 0. head: of a relative network that predicts metres."""
        super().__init__()
        self.depth, self.terms = depth, terms
        self.min_depth, self.max_depth = min_depth, max_depth
        self.frozen_norms: list[_BatchNorm] = []
        self.has_head = terms == "metric" and depth.spec.output == "relative"
        self.set_head(head or METRIC_HEADS["kitti"])

    def set_head(self, head: MetricHead) -> None:
        """Use another scale and shift."""
        device = next(self.depth.parameters()).device
        self.register_buffer("scale", torch.tensor(head.scale, dtype=torch.float64, device=device))
        self.register_buffer("shift", torch.tensor(head.shift, dtype=torch.float64, device=device))

    def head(self) -> MetricHead | None:
        """Scale and shift as they are saved with the weights; None where the prediction needs none."""
        return MetricHead(self.scale.item(), self.shift.item()) if self.has_head else None

    def forward(self, images: Tensor) -> Tensor:
        raw = self.raw(images)
        with torch.autocast(images.device.type, enabled=False):
            if self.terms == "relative" or self.depth.spec.output == "metric":
                return raw
            if self.has_head:
                return 1 / inverse_depth(raw, self.scale.float(), self.shift.float())
            return disp_to_depth(raw, self.min_depth, self.max_depth)[1]

    def raw(self, images: Tensor) -> Tensor:
        """The network's finest map, (B, H, W) float32, in its own terms."""
        return self.depth(images)[0][:, 0].float()

    def freeze(self, modules: Iterable[nn.Module]) -> None:
        """Keep the parameters of these modules, and batch norm's running statistics, as they are."""
        for module in modules:
            module.requires_grad_(False)
            self.frozen_norms += [part for part in module.modules() if isinstance(part, _BatchNorm)]
        self.train(self.training)

    def train(self, mode: bool = True) -> SupervisedModel:
        super().train(mode)
        for norm in self.frozen_norms:
            norm.eval()
        return self


def norms_of(module: nn.Module) -> list[nn.Module]:
    """All normalisation layers inside."""
    return [part for part in module.modules() if isinstance(part, NORMS)]


def first_convolution(module: nn.Module) -> nn.Module:
    return next(part for part in module.modules() if isinstance(part, nn.Conv2d))


def robust_scale_and_shift(
    relative: Tensor, inverse_depth: Tensor, mask: Tensor, least_shift: float
) -> tuple[Tensor, Tensor]:
    """(scale, shift), (B,) float64 each, that give the prediction of each image the truth's median and mean deviation from it.

    relative, inverse_depth (1/metres): (B, H, W); mask: (B, H, W) bool. NaN where an image has no valid pixel or a constant
    prediction. Ranftl et al. 2020, eq. 5, as a fit: unlike least squares it is not ruled by outliers. A shift below `least_shift`
    is raised to it, with the scale that keeps the median: below 0 small predictions would be clamped and get no gradient.
    """
    centre, spread = _median_and_deviation(relative.double(), mask)
    target_centre, target_spread = _median_and_deviation(inverse_depth.double(), mask)
    scale = torch.where(spread > 0, target_spread / spread, torch.nan)
    shift = target_centre - scale * centre
    low = shift < least_shift
    return torch.where(low, (target_centre - least_shift) / centre, scale), torch.where(low, least_shift, shift)


def _median_and_deviation(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Lower median and mean absolute deviation from it over the valid pixels of each image: (B,) each, NaN without any."""
    median = lower_median(x, mask)
    deviation = torch.where(mask, (x - median[..., None]).abs(), 0).sum((-2, -1)) / count(mask).flatten()
    return median[:, 0], deviation
