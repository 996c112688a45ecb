"""The decoder of MiDaS and DPT: four feature maps -> inverse depth. Ranftl et al. 2020, 2021; RefineNet, Lin et al. 2017."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from networks.depth_net import DepthNet
from networks.layers import full_precision

HEAD_WIDTH = 32


class FusionLayout(NamedTuple):
    """Where the published decoders differ."""

    widths: tuple[int, int, int, int]
    """Of the maps that are fused, finest first."""
    projects: bool
    """A 1x1 convolution ends each fusion and makes its width that of the next."""
    rectified_skip: bool
    """The skip of a residual unit is relu(x): in MiDaS v2.1 the unit's ReLU works in place."""
    head_corners_aligned: bool
    """Of the head's upsampling; that of the fusions always aligns the corners."""


class FusionDecoder(nn.Module):
    """Features at 1/4, 1/8, 1/16 and 1/32 of the input -> [inverse depth], (B, 1, H, W), at least 0."""

    def __init__(self, encoder_widths: tuple[int, ...], layout: FusionLayout):
        super().__init__()
        self.head_corners_aligned = layout.head_corners_aligned
        laterals = [
            nn.Conv2d(width_in, width, 3, padding=1, bias=False)
            for width_in, width in zip(encoder_widths, layout.widths, strict=True)
        ]
        next_widths = (layout.widths[0], *layout.widths[:-1])
        fusions = [
            Fusion(width, next_width if layout.projects else None, layout.rectified_skip)
            for width, next_width in zip(layout.widths, next_widths, strict=True)
        ]
        self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn = laterals
        self.refinenet1, self.refinenet2, self.refinenet3, self.refinenet4 = fusions
        self.refinenet4.resConfUnit1.requires_grad_(False)  # in the published files, and never used
        half = layout.widths[0] // 2
        # The gaps in the numbers are layers without parameters.
        self.output_conv = nn.ModuleDict(
            {
                "0": nn.Conv2d(layout.widths[0], half, 3, padding=1),
                "2": nn.Conv2d(half, HEAD_WIDTH, 3, padding=1),
                "4": nn.Conv2d(HEAD_WIDTH, 1, 1),
            }
        )
        # Fresh weights begin where the last ReLU passes gradients: at 0 everywhere a training would never move.
        nn.init.ones_(self.output_conv["4"].bias)  # type: ignore[arg-type]

    @property
    def heads(self) -> list[nn.Module]:
        """The convolution that predicts inverse depth."""
        return [self.output_conv["4"]]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        f1, f2, f3, f4 = features
        x = self.refinenet4(self.layer4_rn(f4))
        x = self.refinenet3(x, self.layer3_rn(f3))
        x = self.refinenet2(x, self.layer2_rn(f2))
        x = self.refinenet1(x, self.layer1_rn(f1))
        x = upsample2(self.output_conv["0"](x), corners_aligned=self.head_corners_aligned)
        x = self.output_conv["2"](x).relu()
        return [full_precision(self.output_conv["4"], x).relu()]


class Fusion(nn.Module):
    """(x + unit1(lateral)), unit2, twice the size."""

    def __init__(self, width: int, next_width: int | None, rectified_skip: bool):
        """next_width: None leaves the 1x1 convolution out."""
        super().__init__()
        self.out_conv = None if next_width is None else nn.Conv2d(width, next_width, 1)
        self.resConfUnit1 = ResidualUnit(width, rectified_skip)
        self.resConfUnit2 = ResidualUnit(width, rectified_skip)

    def forward(self, x: Tensor, lateral: Tensor | None = None) -> Tensor:
        if lateral is not None:
            x = x + self.resConfUnit1(lateral)
        x = upsample2(self.resConfUnit2(x), corners_aligned=True)
        return x if self.out_conv is None else self.out_conv(x)


class ResidualUnit(nn.Module):
    """skip + conv2(relu(conv1(relu(x)))), the skip being x or relu(x)."""

    def __init__(self, width: int, rectified_skip: bool):
        super().__init__()
        self.rectified_skip = rectified_skip
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        rectified = x.relu()
        return (rectified if self.rectified_skip else x) + self.conv2(self.conv1(rectified).relu())


def upsample2(x: Tensor, *, corners_aligned: bool) -> Tensor:
    """(B, C, h, w) -> (B, C, 2h, 2w), bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=corners_aligned)


class FusionNet(DepthNet):
    """A depth network whose published weights are one file, with encoder and decoder as `pretrained` and `scratch`."""

    @property
    def published(self) -> nn.Module:
        """Both parts under the names of the published file; the tensors are the network's own."""
        names = nn.Module()
        names.pretrained, names.scratch = self.encoder, self.decoder
        return names
