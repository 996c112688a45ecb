"""A depth network by name; encoder and decoder as one module."""

from __future__ import annotations

from torch import Tensor, nn

from networks.any_size import at_any_size
from networks.errors import NetworkError
from networks.registry import NetworkSpec, get


class DepthNet(nn.Module):
    """Image (B, 3, H, W) in [0, 1] -> one map per entry of `scales`; map s: (B, 1, H // 2^s, W // 2^s).

    For spec.output "disparity" the maps are in (0, 1). height and width are the image size that the network was made for;
    other sizes run too.
    """

    def __init__(self, spec: NetworkSpec, encoder: nn.Module, decoder: nn.Module, height: int, width: int):
        """encoder: normalises the image and returns the features that `decoder` turns into maps."""
        super().__init__()
        self.spec, self.height, self.width = spec, height, width
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

    def forward(self, image: Tensor) -> list[Tensor]:
        return at_any_size(self._maps, self.spec, image)

    def _maps(self, image: Tensor) -> list[Tensor]:
        return self.decoder(self.encoder(image))


def create(name: str, *, height: int, width: int, drop_path: float = 0.0) -> DepthNet:
    """The depth network `name` with fresh weights, for images of height x width pixels.

    drop_path: stochastic depth rate of the last encoder block (published training: 0.2); earlier blocks less, linearly.
    Raises NetworkError for a name that is not in the registry, a size that is too small and a rate outside [0, 1).
    """
    spec = get(name)
    spec.input.check(height, width)
    if not 0 <= drop_path < 1:
        raise NetworkError(f"drop_path is {drop_path}; it must be at least 0 and below 1")
    return spec.load_constructor()(spec, height, width, drop_path)
