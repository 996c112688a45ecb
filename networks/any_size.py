"""Images of any size through a network that computes at certain sizes only.

They are resized, not padded: padded pixels would count in BatchNorm's statistics and in attention over the whole image, and
would shift the position code, which is relative to the image's border. The nearest valid size is at most half a multiple away,
1226x370 becomes 1216x384, and every scale of the result covers the whole image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from networks.registry import NetworkSpec


def at_any_size(network: Callable[[Tensor], list[Tensor]], spec: NetworkSpec, image: Tensor) -> list[Tensor]:
    """network(image), with the image brought to the nearest valid size and the maps back.

    image: (B, C, H, W). Returns one map per entry of spec.scales, scale s of (B, 1, H // 2^s, W // 2^s). Sizes that fit
    spec.input are passed through unchanged.
    """
    height, width = image.shape[-2:]
    if spec.input.fits(height, width):
        return network(image)
    maps = network(_resize(image, *spec.input.nearest(height, width)))
    return [_resize(map, height >> s, width >> s) for s, map in zip(spec.scales, maps, strict=True)]


def _resize(maps: Tensor, height: int, width: int) -> Tensor:
    """(B, C, h, w) -> (B, C, height, width), bilinear between pixel centres."""
    return F.interpolate(maps, (height, width), mode="bilinear", align_corners=False)
