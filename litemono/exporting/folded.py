"""Lite-Mono's blocks as runtimes compute them fastest: convolutions in one memory layout, with all constants in their weights.

In training, linear layers and LayerNorm want channels last, convolutions channels first, so every block transposes its largest
map four times, and BatchNorm and layer scale are steps of their own. Here linear layers are 1x1 convolutions. Runtimes then
join them with GELU and the addition of the skip, and int8 stays int8 from one to the next.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from networks.lite_mono import AttentionBlock, Block, DilatedBlock, Halving


def folded(module: nn.Module) -> nn.Module:
    """A copy for inference that computes the same; what is not a block of Lite-Mono stays as it is."""
    module = copy.deepcopy(module).eval()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DilatedBlock):
                setattr(parent, name, FoldedDilatedBlock(child))
            elif isinstance(child, AttentionBlock):
                setattr(parent, name, FoldedAttentionBlock(child))
            elif isinstance(child, Halving):
                setattr(parent, name, SplitHalving(child))
    return module


class FoldedBottleneck(nn.Module):
    """(B, C, H, W) -> same: the bottleneck and the layer scale after it. norm: its scale and shift come before."""

    def __init__(self, block: Block, norm: nn.LayerNorm | None = None) -> None:
        super().__init__()
        self.expand = pointwise(block.pwconv1, norm)
        self.shrink = pointwise(block.pwconv2, scale=block.gamma)

    def forward(self, x: Tensor) -> Tensor:
        return self.shrink(F.gelu(self.expand(x)))


class FoldedDilatedBlock(nn.Module):
    """(B, C, H, W) -> same."""

    def __init__(self, block: DilatedBlock) -> None:
        super().__init__()
        self.conv = fuse_conv_bn_eval(block.ddwconv.conv, block.bn1)
        self.bottleneck = FoldedBottleneck(block)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bottleneck(self.conv(x))


class FoldedAttentionBlock(nn.Module):
    """(B, C, H, W) -> same. Attention between channels wants one row of pixels for each, which is the layout of convolutions."""

    def __init__(self, block: AttentionBlock) -> None:
        super().__init__()
        self.position, self.heads, self.temperature = block.pos_embd, block.xca.heads, block.xca.temperature
        self.eps_attention, self.eps_bottleneck = block.norm_xca.eps, block.norm.eps
        self.qkv = pointwise(block.xca.qkv, block.norm_xca)
        self.project = pointwise(block.xca.proj, scale=block.gamma_xca)
        self.bottleneck = FoldedBottleneck(block, block.norm)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        t = x if self.position is None else x + self.position(height, width)
        q, k, v = self.qkv(standardise(t, self.eps_attention)).flatten(2).unflatten(1, (3, self.heads, -1)).unbind(1)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        attention = (q @ k.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        out = (attention @ v).flatten(1, 2).unflatten(2, (height, width))
        return x + self.bottleneck(standardise(t + self.project(out), self.eps_bottleneck))


class SplitHalving(nn.Module):
    """The convolution of concatenated maps as a sum: one of the features, one of the image.

    With the image's 3 channels a map has 51 or more, which fills no register: runtimes would leave their memory layout of 8 or 16
    channels for the concatenation and return to it after, with the largest map of the network.
    """

    def __init__(self, halving: Halving) -> None:
        super().__init__()
        conv = halving[0].conv
        features, image = conv.weight.detach().split([sum(halving.widths[:-1]), halving.widths[-1]], dim=1)
        self.of_features, self.of_image = (halving_convolution(part) for part in (features, image))

    def forward(self, *maps: Tensor) -> Tensor:
        *features, image = maps
        joined = torch.cat(features, dim=1) if len(features) > 1 else features[0]
        return self.of_features(joined) + self.of_image(image)


def halving_convolution(weight: Tensor) -> nn.Conv2d:
    """weight: (D, C, 3, 3)."""
    width_out, width_in = weight.shape[:2]
    conv = nn.Conv2d(width_in, width_out, 3, stride=2, padding=1, bias=False).to(weight)
    conv.weight.data.copy_(weight)
    return conv


def standardise(x: Tensor, eps: float) -> Tensor:
    """LayerNorm over the channels of (B, C, H, W), without scale and shift."""
    centred = x - x.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + eps).sqrt()


@torch.no_grad()
def pointwise(linear: nn.Linear, norm: nn.LayerNorm | None = None, scale: Tensor | None = None) -> nn.Conv2d:
    """scale * linear(norm.weight * x + norm.bias) as a 1x1 convolution."""
    weight, bias = linear.weight.double(), linear.bias.double()
    if norm is not None:
        bias = bias + weight @ norm.bias.double()
        weight = weight * norm.weight.double()
    if scale is not None:
        weight, bias = weight * scale.double()[:, None], bias * scale.double()
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1).to(linear.weight)
    conv.weight.copy_(weight[:, :, None, None])
    conv.bias.copy_(bias)  # type: ignore[union-attr]
    return conv
