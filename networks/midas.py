"""MiDaS v2.1: a convolutional encoder and the decoder of fusion.py. Ranftl et al. 2020.

`encoder` and `decoder` have the tensors of isl-org/MiDaS's files under `pretrained` and `scratch`.
"""

from __future__ import annotations

from typing import Any

import timm
from torch import Tensor, nn

from networks.fusion import FusionDecoder, FusionLayout, FusionNet
from networks.layers import normalise
from networks.registry import NetworkSpec, Normalisation


def create_midas_v21(spec: NetworkSpec, height: int, width: int, drop_path: float) -> FusionNet:
    """The large network, on ResNeXt-101 32x8d."""
    net: Any = timm.create_model("resnext101_32x8d", pretrained=False, num_classes=0, drop_path_rate=drop_path)
    encoder = StageEncoder(
        [
            nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool, net.layer1),
            net.layer2,
            net.layer3,
            net.layer4,
        ],
        spec.normalisation,
    )
    layout = FusionLayout((256,) * 4, projects=False, rectified_skip=True, head_corners_aligned=False)
    return FusionNet(spec, encoder, FusionDecoder((256, 512, 1024, 2048), layout), height, width)


def create_midas_small(spec: NetworkSpec, height: int, width: int, drop_path: float) -> FusionNet:
    """The small network, on EfficientNet-Lite3."""
    net: Any = timm.create_model("tf_efficientnet_lite3", pretrained=False, drop_path_rate=drop_path)
    blocks = net.blocks
    encoder = StageEncoder(
        [
            nn.Sequential(net.conv_stem, net.bn1, nn.Identity(), blocks[0], blocks[1]),  # bn1 has the activation in it
            nn.Sequential(blocks[2]),
            nn.Sequential(blocks[3], blocks[4]),
            nn.Sequential(blocks[5], blocks[6]),
        ],
        spec.normalisation,
    )
    layout = FusionLayout((64, 128, 256, 512), projects=True, rectified_skip=False, head_corners_aligned=False)
    return FusionNet(spec, encoder, FusionDecoder((32, 48, 136, 384), layout), height, width)


class StageEncoder(nn.Module):
    """(B, 3, H, W) in [0, 1] -> the results of layer1 to layer4, at 1/4, 1/8, 1/16 and 1/32."""

    def __init__(self, layers: list[nn.Module], normalisation: Normalisation):
        super().__init__()
        self.normalisation = normalisation
        self.layer1, self.layer2, self.layer3, self.layer4 = layers

    def forward(self, image: Tensor) -> list[Tensor]:
        x1 = self.layer1(normalise(image, self.normalisation))
        x2 = self.layer2(x1)
        x3 = self.layer3(x2)
        return [x1, x2, x3, self.layer4(x3)]
