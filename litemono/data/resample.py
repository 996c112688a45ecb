"""Pillow's Lanczos resize as matrix products: the same pixels to the bit, on any device."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

BLOCK = 64  # outputs computed together: a block needs few inputs, so the matrices stay small


class Block(NamedTuple):
    """Weights of some outputs: coarse + fine, both (stop - start, outputs)."""

    start: int  # first and last + 1 of the inputs they need
    stop: int
    coarse: Tensor
    fine: Tensor


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """(..., height, width) uint8 from uint8 of any size, as Pillow's Image.resize with LANCZOS."""
    images = _resample(images, width)
    return _resample(images.transpose(-1, -2), height).transpose(-1, -2)


def halvings(images: Tensor, levels: int) -> list[Tensor]:
    """`levels` successive Lanczos halvings of (..., H, W) uint8, each as Pillow makes it from the one before."""
    result = []
    for _ in range(levels):
        height, width = images.shape[-2:]
        images = resize(images, height // 2, width // 2)
        result.append(images)
    return result


def _resample(images: Tensor, size: int) -> Tensor:
    """Resize the last axis of uint8 images, rounded to whole levels: exactly Pillow's horizontal or vertical pass."""
    if images.shape[-1] == size:
        return images
    blocks = _device_weights(images.shape[-1], size, images.device)
    with torch.autocast(images.device.type, enabled=False):
        pixels = images.float()
        parts = [pixels[..., block.start : block.stop] for block in blocks]
        coarse = torch.cat([part @ block.coarse for part, block in zip(parts, blocks, strict=True)], dim=-1) + 0.5
        fine = torch.cat([part @ block.fine for part, block in zip(parts, blocks, strict=True)], dim=-1)
    whole = coarse.floor()
    return (whole + (coarse - whole + fine).floor()).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=32)
def _device_weights(size_in: int, size_out: int, device: torch.device) -> list[Block]:
    """Multiples of 1/2^11 and remainders in multiples of 1/2^22 that add up to Pillow's weights, in blocks.

    Pillow's weights have 22 bits after the point.  Split like this, products with 8-bit pixels and all their partial
    sums fit float32, and the factors fit TF32: the result is exact on every device, however matmul precision is set.
    """
    fixed_point = np.rint(lanczos_weights(size_in, size_out).T * 2**22)
    coarse = np.rint(fixed_point / 2**11)
    fine = fixed_point - coarse * 2**11
    blocks = []
    for first in range(0, size_out, BLOCK):
        outputs = slice(first, first + BLOCK)
        needed = np.flatnonzero(fixed_point[:, outputs].any(axis=1))
        start, stop = int(needed[0]), int(needed[-1]) + 1
        pair = (w[start:stop, outputs].copy() for w in (coarse / 2**11, fine / 2**22))
        blocks.append(Block(start, stop, *(torch.from_numpy(w).float().to(device) for w in pair)))
    return blocks


def lanczos_weights(size_in: int, size_out: int) -> np.ndarray:
    """(size_out, size_in) float64 rows that sum to 1: Pillow's Lanczos resize of one axis."""
    scale = size_in / size_out
    spread = max(scale, 1.0)  # a reduction averages over more inputs; an enlargement interpolates
    support = 3 * spread
    weights = np.zeros((size_out, size_in))
    for row, centre in zip(weights, (np.arange(size_out) + 0.5) * scale, strict=True):
        start = max(math.floor(centre - support + 0.5), 0)
        stop = min(math.floor(centre + support + 0.5), size_in)
        x = (np.arange(start, stop) + 0.5 - centre) / spread
        taps = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
        row[start:stop] = taps / taps.sum()
    return weights
