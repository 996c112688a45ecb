"""Encoder and decoder as one module."""

from __future__ import annotations

from torch import Tensor, nn

from networks.depth_decoder import DepthDecoder
from networks.lite_mono import LiteMono


class DepthNet(nn.Module):
    """Image (B, 3, H, W) in [0, 1] -> disparities [disp0, disp1, disp2], disp s: (B, 1, H/2^s, W/2^s) in (0, 1).

    name, height and width say what the network was made for; any size in multiples of 32 runs.
    """

    def __init__(self, name: str, encoder: LiteMono, height: int, width: int):
        super().__init__()
        self.name, self.height, self.width = name, height, width
        self.encoder = encoder
        self.decoder = DepthDecoder(encoder.widths)

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.decoder(self.encoder(image))
