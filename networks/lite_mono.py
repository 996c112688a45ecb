"""The Lite-Mono encoder. Zhang et al., "Lite-Mono: A Lightweight CNN and Transformer Architecture for Self-Supervised
Monocular Depth Estimation", CVPR 2023.

    where in the paper (section 3)                       here
    variants, table 1                                    lite_mono_variants.py
    stem, pooled images, cross-stage connections         LiteMono.forward
    Consecutive Dilated Convolutions (CDC) module        DilatedBlock, several in a row
    Local-Global Features Interaction (LGFI) module      AttentionBlock, the last of each stage
    cross-covariance attention (El-Nouby et al. 2021)    CrossCovarianceAttention

Attribute names are those of the published weight files, which is why some of them say little.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn

from networks.depth_decoder import DepthDecoder
from networks.depth_net import DepthNet
from networks.layers import GeluLinear, normalise, unflatten
from networks.lite_mono_variants import VARIANTS, Variant
from networks.registry import MONODEPTH2, NetworkSpec, Normalisation


def create_lite_mono(spec: NetworkSpec, height: int, width: int, drop_path: float) -> DepthNet:
    """Lite-Mono with fresh weights for images of height x width pixels; the constructor named in the registry."""
    encoder = LiteMono(VARIANTS[spec.name], *spec.input.nearest(height, width), drop_path, spec.normalisation)
    return DepthNet(spec, encoder, DepthDecoder(encoder.widths), height, width)


class LiteMono(nn.Module):
    """Image (B, 3, H, W) in [0, 1] -> three feature maps, (B, widths[i], H/2^(i+2), W/2^(i+2))."""

    def __init__(
        self,
        variant: Variant,
        height: int,
        width: int,
        drop_path: float = 0.0,
        normalisation: Normalisation = MONODEPTH2,
    ):
        """height, width: that it computes at, multiples of 32. drop_path: stochastic depth rate of the last block."""
        super().__init__()
        self.normalisation = normalisation
        self.widths = variant.widths
        w0, w1, w2 = variant.widths
        dilations = variant.dilations_320x1024 if (height, width) == (320, 1024) else variant.dilations
        rates = iter(torch.linspace(0, drop_path, sum(variant.depths), device="cpu").tolist())

        stem = nn.Sequential(ConvBnGelu(3, w0, stride=2), ConvBnGelu(w0, w0), ConvBnGelu(w0, w0))
        # Between stages: what the last stage got, what it made, the pooled image.
        self.downsample_layers = nn.ModuleList([stem, Halving((w0, w0, 3), w1), Halving((w1, w1, 3), w2)])
        self.stem2 = Halving((w0, 3), w0)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *[DilatedBlock(width, dilation, next(rates)) for dilation in dilations[stage]],
                AttentionBlock(width, next(rates), position_code=stage == 0),
            )
            for stage, width in enumerate(variant.widths)
        )
        self.apply(_initialise)

    def forward(self, image: Tensor) -> list[Tensor]:
        image = normalise(image, self.normalisation)
        half, quarter, eighth = pooled_images(image, 3)
        stem, halve1, halve2 = self.downsample_layers
        stage0, stage1, stage2 = self.stages

        x0 = self.stem2(stem(image), half)
        f0 = stage0(x0)
        x1 = halve1(x0, f0, quarter)
        f1 = stage1(x1)
        x2 = halve2(x1, f1, eighth)
        f2 = stage2(x2)
        return [f0, f1, f2]


def pooled_images(image: Tensor, levels: int) -> list[Tensor]:
    """The image at 1/2, 1/4, ... of its size: 3x3 means at stride 2, the zeros around the border counted."""
    pooled = []
    for _ in range(levels):
        image = F.avg_pool2d(image, kernel_size=3, stride=2, padding=1)
        pooled.append(image)
    return pooled


class Block(nn.Module):
    """What both kinds of block share: an inverted bottleneck around which a skip leads. (B, C, H, W) -> same."""

    def make_bottleneck(self, width: int, drop_path: float) -> None:
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 6 * width)
        self.pwconv2 = GeluLinear(6 * width, width)
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()

    def bottleneck(self, u: Tensor) -> Tensor:
        """(B, H, W, C), as linear layers want it -> (B, C, H, W)."""
        u = self.gamma * self.pwconv2(self.pwconv1(u))
        return u.permute(0, 3, 1, 2)


class DilatedBlock(Block):
    """CDC: a dilated depthwise convolution, BatchNorm, the bottleneck."""

    def __init__(self, width: int, dilation: int, drop_path: float):
        super().__init__()
        self.ddwconv = Conv(width, width, dilation=dilation, groups=width)
        self.bn1 = nn.BatchNorm2d(width)
        self.make_bottleneck(width, drop_path)
        # In every published file, but never run: without a gradient distributed training need not look for one.
        self.norm.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.residual(self.ddwconv(x)))

    def residual(self, u: Tensor) -> Tensor:
        """What is the same code in all blocks of a width: all but the dilation and the rate of drop path."""
        return self.bottleneck(self.bn1(u).permute(0, 2, 3, 1))


class AttentionBlock(Block):
    """LGFI: cross-covariance attention, LayerNorm, the bottleneck.

    The skip is the block's input itself: position code and attention reach the output through the bottleneck alone.
    """

    def __init__(self, width: int, drop_path: float, position_code: bool):
        super().__init__()
        self.gamma_xca = nn.Parameter(torch.full((width,), 1e-6))
        self.pos_embd = PositionCode(width) if position_code else None
        self.norm_xca = nn.LayerNorm(width, eps=1e-6)
        self.xca = CrossCovarianceAttention(width)
        self.make_bottleneck(width, drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.residual(x))

    def residual(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        t = x if self.pos_embd is None else x + self.pos_embd(height, width)
        t = t.flatten(2).transpose(1, 2)  # (B, H*W, C), row by row
        t = t + self.gamma_xca * self.xca(self.norm_xca(t))
        return self.bottleneck(self.norm(unflatten(t, 1, (height, width))))


class CrossCovarianceAttention(nn.Module):
    """Attention between channels instead of tokens: linear in image size. (B, N, C) -> same."""

    def __init__(self, width: int, heads: int = 8):
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, t: Tensor) -> Tensor:
        # (B, N, 3 * heads * d) -> three of (B, heads, d, N): one row of N tokens per channel
        q, k, v = unflatten(self.qkv(t), 2, (3, self.heads, t.shape[2] // self.heads)).permute(2, 0, 3, 4, 1).unbind(0)
        # Rows are brought to unit length in float32: the squares of thousands of half-precision tokens overflow.
        exact = torch.promote_types(t.dtype, torch.float32)
        q, k = F.normalize(q.to(exact), dim=-1), F.normalize(k.to(exact), dim=-1)
        attention = (q @ k.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        out = attention.to(v.dtype) @ v  # (B, heads, d, N)
        return self.proj(out.flatten(1, 2).transpose(1, 2))


class PositionCode(nn.Module):
    """Fourier code of row and column (32 entries each, rows first), projected to the stage's width.

    A code entry depends on the row or on the column, never both, so each half is projected on its own and the two are
    added by broadcasting; the full map of 64 channels is never made.
    """

    def __init__(self, width: int, entries: int = 32):
        super().__init__()
        self.entries = entries
        self.token_projection = nn.Conv2d(2 * entries, width, kernel_size=1)

    def forward(self, height: int, width: int) -> Tensor:
        """-> (C, height, width)."""
        by_row, by_column = self.token_projection.weight.flatten(1).split(self.entries, dim=1)  # (C, entries) each
        rows = F.linear(self._axis(height), by_row, self.token_projection.bias).T
        columns = F.linear(self._axis(width), by_column).T
        return rows[:, :, None] + columns[:, None, :]

    def _axis(self, length: int) -> Tensor:
        """(length, entries): sin and cos of the position, in turn, at wavelengths growing to 10000 turns."""
        weight = self.token_projection.weight
        exact = torch.promote_types(weight.dtype, torch.float32)
        position = torch.arange(1, length + 1, device=weight.device, dtype=exact)
        position = position / (length + 1e-6) * (2 * math.pi)
        octave = torch.arange(0, self.entries, 2, device=weight.device, dtype=exact)
        angle = position[:, None] / 10000 ** (octave / self.entries)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).to(weight.dtype)


class Conv(nn.Module):
    """3x3 convolution without bias, 'same' padding."""

    def __init__(self, width_in: int, width_out: int, stride: int = 1, dilation: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(width_in, width_out, 3, stride, dilation, dilation, groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Halving(nn.Sequential):
    """Maps of one size, (B, widths[i], H, W) each -> (B, width_out, H/2, W/2): one bare convolution of all channels."""

    def __init__(self, widths: tuple[int, ...], width_out: int):
        super().__init__(Conv(sum(widths), width_out, stride=2))
        self.widths = widths

    def forward(self, *maps: Tensor) -> Tensor:
        return super().forward(torch.cat(maps, dim=1))


class ConvBnGelu(Conv):
    """The same, then BatchNorm and GELU."""

    def __init__(self, width_in: int, width_out: int, stride: int = 1):
        super().__init__(width_in, width_out, stride)
        self.bn_gelu = BnGelu(width_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn_gelu(self.conv(x))


class BnGelu(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.bn = nn.BatchNorm2d(width)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


def _initialise(module: nn.Module) -> None:
    """Kaiming normal on convolution and linear weights; biases keep torch's default, as published."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
