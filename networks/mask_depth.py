"""Networks of two pictures, a background and the same with a figure in front -> the figure's mask and the depth.

cnn: a small network with dilated convolutions at a quarter of the size (Yu and Koltun 2016), whose last layers see both pictures
again, so that edges are those of the pictures. unet-resnet18: a U-Net with two heads on an ImageNet encoder.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.any_size import at_any_size
from networks.errors import NetworkError
from networks.layers import full_precision, normalise
from networks.registry import MASK_NETWORKS, NetworkSpec
from networks.unet import UNetResNet18

WIDTHS = (32, 48)  # of cnn at a half and a quarter of the size
DILATIONS = (1, 2, 4, 8, 1)
MAPS = 2


class MaskDepthNet(nn.Module):
    """Background and picture, (B, 3, H, W) each in [0, 1] -> logits (B, 2, H, W): mask, depth; sigmoid gives both.

    height and width are the size it was made for; other sizes run too.
    """

    attention = None

    def __init__(self, spec: NetworkSpec, body: nn.Module, height: int, width: int):
        """body: (B, 6, H, W) normalised -> (B, 2, H, W); its tensors are what a weights folder has in model.pt."""
        super().__init__()
        self.spec, self.height, self.width = spec, height, width
        self.published = body

    @property
    def name(self) -> str:
        """Its name in the registry."""
        return self.spec.name

    def settings(self) -> dict[str, object]:
        """What makes the network again, for a weights folder."""
        return {"network": self.name, "output": self.spec.output}

    def forward(self, background: Tensor, picture: Tensor) -> Tensor:
        both = torch.cat([normalise(image, self.spec.normalisation) for image in (background, picture)], dim=1)
        return at_any_size(lambda both: [self.published(both)], self.spec, both)[0]


class DilatedNet(nn.Module):
    """(B, 6, H, W) -> (B, 2, H, W); H and W are multiples of 4. 0.25 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter = WIDTHS
        self.at_half = _conv(6, half, stride=2)
        self.at_quarter = _conv(half, quarter, stride=2)
        self.context = nn.Sequential(*(DilatedBlock(quarter, dilation) for dilation in DILATIONS))
        self.up_half = _conv(quarter + half, 24)
        self.up_full = _conv(24 + 6, 16)
        self.head = nn.Conv2d(16, MAPS, 3, padding=1)

    def forward(self, both: Tensor) -> Tensor:
        half = self.at_half(both)
        x = self.context(self.at_quarter(half))
        x = self.up_half(torch.cat([_twice(x), half], dim=1))
        x = self.up_full(torch.cat([_twice(x), both], dim=1))
        return full_precision(self.head, x)


class DilatedBlock(nn.Module):
    """x + two dilated convolutions of x."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.first = _conv(width, width, dilation=dilation)
        self.second = nn.Sequential(*list(_conv(width, width, dilation=dilation))[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.second(self.first(x))).relu()


def _conv(width_in: int, width_out: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(width_in, width_out, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width_out), nn.ReLU())


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def create_cnn(spec: NetworkSpec, height: int, width: int) -> MaskDepthNet:
    return MaskDepthNet(spec, DilatedNet(), height, width)


def create_unet_resnet18(spec: NetworkSpec, height: int, width: int) -> MaskDepthNet:
    return MaskDepthNet(spec, UNetResNet18(rectified=False, channels=6, maps=MAPS), height, width)


def create_mask_network(name: str, *, height: int, width: int) -> MaskDepthNet:
    """The network `name` with fresh weights. Raises NetworkError for other names and a size that is too small."""
    if name not in MASK_NETWORKS:
        raise NetworkError(
            f"there is no network {repr(name)[:80]} of mask and depth; choose from {', '.join(MASK_NETWORKS)}"
        )
    spec = MASK_NETWORKS[name]
    spec.input.check(height, width)
    return spec.load_constructor()(spec, height, width)
