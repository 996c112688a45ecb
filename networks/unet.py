"""A U-Net on ResNet-18. Ronneberger et al. 2015; He et al. 2016.

The tensors have the names of segmentation_models_pytorch's Unet, so its state dicts load.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.layers import full_precision

ENCODER_WIDTH = 512
WIDTHS = (256, 128, 64, 32, 16)  # of the decoder's blocks
SKIPS = (256, 128, 64, 64, 0)  # of the encoder's maps that they take in


class UNetResNet18(nn.Module):
    """(B, channels, H, W) -> (B, maps, H, W); H and W are multiples of 32."""

    def __init__(self, rectified: bool, channels: int = 4, maps: int = 1):
        """rectified: the maps are cut off at 0, as published."""
        super().__init__()
        self.rectified = rectified
        # timm adds its layers by name, so that a type checker sees none of them.
        self.encoder: Any = timm.create_model("resnet18", in_chans=channels, num_classes=0)
        widths_in = (ENCODER_WIDTH, *WIDTHS[:-1])
        self.decoder = UpBlocks(UpBlock(*widths) for widths in zip(widths_in, SKIPS, WIDTHS, strict=True))
        self.segmentation_head = nn.Sequential(nn.Conv2d(WIDTHS[-1], maps, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        net = self.encoder
        f0 = net.act1(net.bn1(net.conv1(x)))
        f1 = net.layer1(net.maxpool(f0))
        f2 = net.layer2(f1)
        f3 = net.layer3(f2)
        up = self.decoder(net.layer4(f3), (f3, f2, f1, f0, None))
        result = full_precision(self.segmentation_head, up)
        return result.relu() if self.rectified else result


class UpBlocks(nn.Module):
    """The encoder's last map and the maps for the blocks, coarse to fine -> the last block's map."""

    def __init__(self, blocks: Iterable[UpBlock]):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, skips: Sequence[Tensor | None]) -> Tensor:
        for block, skip in zip(self.blocks, skips, strict=True):
            x = block(x, skip)
        return x


class UpBlock(nn.Module):
    """Twice the size (nearest neighbour), the encoder's map beside it, two convolutions."""

    def __init__(self, width_in: int, width_skip: int, width_out: int):
        super().__init__()
        self.conv1 = ConvBlock(width_in + width_skip, width_out)
        self.conv2 = ConvBlock(width_out, width_out)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], dim=1)))


class ConvBlock(nn.Sequential):
    """3x3 convolution, BatchNorm, ReLU."""

    def __init__(self, width_in: int, width_out: int):
        convolution = nn.Conv2d(width_in, width_out, 3, padding=1, bias=False)
        nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")
        super().__init__(convolution, nn.BatchNorm2d(width_out), nn.ReLU())
