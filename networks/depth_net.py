"""A depth network by name; encoder and decoder as one module."""

from __future__ import annotations

import dataclasses

from torch import Tensor, nn

from networks.any_size import at_any_size
from networks.errors import NetworkError
from networks.metric_head import MetricHead
from networks.registry import NetworkSpec, get


class DepthNet(nn.Module):
    """Image (B, 3, H, W) in [0, 1] -> one map per entry of `scales`; map s: (B, 1, H // 2^s, W // 2^s).

    For spec.output "disparity" the maps are in (0, 1), for "relative" they are at least 0. height and width are the image size
    that the network was made for; other sizes run too.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        encoder: nn.Module,
        decoder: nn.Module,
        height: int,
        width: int,
        *,
        attention: str | None = None,
    ):
        """encoder: normalises the image and returns the features that `decoder` turns into maps. attention: which of
        spec.attentions it has, None where there is no choice."""
        super().__init__()
        self.spec, self.height, self.width, self.attention = spec, height, width, attention
        self.metric_head: MetricHead | None = None
        """What makes metres of a relative prediction, where that is known; part of its weights folder."""
        self.encoder = encoder
        self.decoder = decoder

    @property
    def name(self) -> str:
        """Its name in the registry."""
        return self.spec.name

    @property
    def scales(self) -> tuple[int, ...]:
        """Of its maps, finest first."""
        return self.spec.scales

    def settings(self) -> dict[str, object]:
        """What makes the network again, for weights folders that have a settings file."""
        head = None if self.metric_head is None else dataclasses.asdict(self.metric_head)
        return {"network": self.name, "attention": self.attention, "metric_head": head}

    def forward(self, image: Tensor) -> list[Tensor]:
        return at_any_size(self._maps, self.spec, image)

    def _maps(self, image: Tensor) -> list[Tensor]:
        return self.decoder(self.encoder(image))


def create(name: str, *, height: int, width: int, drop_path: float = 0.0, attention: str | None = None) -> DepthNet:
    """The depth network `name` with fresh weights, for images of height x width pixels.

    drop_path: stochastic depth rate of the last encoder block (published training: 0.2); earlier blocks less, linearly.
    attention: one of registry.get(name).attentions; None: its usual one. Raises NetworkError for a name that is not in the
    registry, a size that is too small, a rate outside [0, 1) and attention that the network cannot have.
    """
    spec = get(name)
    spec.input.check(height, width)
    if not 0 <= drop_path < 1:
        raise NetworkError(f"drop_path is {drop_path}; it must be at least 0 and below 1")
    if attention is None:
        return spec.load_constructor()(spec, height, width, drop_path)
    if attention not in spec.attentions:
        choice = f"choose from {', '.join(spec.attentions)}" if spec.attentions else "it has no choice; leave it out"
        raise NetworkError(f"--attention {str(attention)[:100]}: {name} cannot have it; {choice}")
    return spec.load_constructor()(spec, height, width, drop_path, attention=attention)
