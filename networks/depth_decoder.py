"""Lite-Mono's decoder: features of the encoder -> disparity at three scales. Zhang et al. 2023, section 3.3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.layers import full_precision


class DepthDecoder(nn.Module):
    """Features at 1/4, 1/8, 1/16 of the input -> [disp0, disp1, disp2] at 1, 1/2, 1/4, each (B, 1, h, w) in (0, 1)."""

    def __init__(self, encoder_widths: tuple[int, int, int]):
        super().__init__()
        e0, e1, e2 = encoder_widths
        d0, d1, d2 = e0 // 2, e1 // 2, e2 // 2
        # Order is that of the published files: two convolutions per scale, coarse to fine, then the three heads.
        self.decoder = nn.ModuleList(
            [
                *[ConvElu(e2, d2), ConvElu(d2 + e1, d2)],
                *[ConvElu(d2, d1), ConvElu(d1 + e0, d1)],
                *[ConvElu(d1, d0), ConvElu(d0, d0)],
                *[ReflectConv(d0, 1), ReflectConv(d1, 1), ReflectConv(d2, 1)],
            ]
        )
        self.apply(initialise_decoder)

    @property
    def heads(self) -> list[nn.Module]:
        """The convolution that predicts disparity, by scale."""
        return list(self.decoder[6:])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        before2, after2, before1, after1, before0, after0, head0, head1, head2 = self.decoder
        f0, f1, f2 = features
        x2 = after2(torch.cat([upsample2(before2(f2)), f1], dim=1))
        x1 = after1(torch.cat([upsample2(before1(x2)), f0], dim=1))
        x0 = after0(upsample2(before0(x1)))
        return [upsample2(full_precision(head, x)).sigmoid() for head, x in ((head0, x0), (head1, x1), (head2, x2))]


def upsample2(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, 2h, 2w), bilinear between pixel centres."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class ReflectConv(nn.Module):
    """3x3 convolution with reflection at the border."""

    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.conv = nn.Conv2d(width_in, width_out, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ConvElu(nn.Module):
    def __init__(self, width_in: int, width_out: int):
        super().__init__()
        self.conv = ReflectConv(width_in, width_out)
        self.act = nn.ELU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))


def initialise_decoder(module: nn.Module) -> None:
    """Depth and pose decoders start from truncated normal weights and zero biases."""
    if isinstance(module, nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
