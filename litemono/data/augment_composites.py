"""Augmentation of background, picture, mask and depth, on the training device: --augment of litemono segment.

Everything is a function of a batch's `numbers`, as in augment_depth.py.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from litemono.data.augment import color_jitter
from litemono.data.composite_samples import CompositeBatch
from litemono.data.composite_settings import AugmentComposites

FLIP, COLOUR, CUT, JITTER, ORDER, PLACE, EXTENT = 0, 1, 2, 3, 7, 11, 13
"""Places of a sample's random numbers; JITTER and ORDER take 4 each, PLACE and EXTENT 2 (row, column)."""
SHARE = 0.5  # of the samples that are mirrored, get new colours, get a rectangle; each on its own
SPREAD = (0.2, 0.2, 0.2, 0.05)  # brightness, contrast, saturation (factors 1 -+), hue (-+)
LARGEST = 0.4  # side of the rectangle in sides of the picture
GREY = 0.5


class CompositeViews(NamedTuple):
    """A batch as network and loss see it."""

    background: Tensor  # (B, 3, H, W) float32 in [0, 1]
    picture: Tensor  # (B, 3, H, W) float32 in [0, 1]
    mask: Tensor  # (B, 1, H, W) float32, 0 or 1
    depth: Tensor  # (B, 1, H, W) float32 in [0, 1]


@torch.no_grad()
def training_views(batch: CompositeBatch, device: torch.device | str, name: AugmentComposites) -> CompositeViews:
    """Augmented views."""
    views, numbers = plain_views(batch, device), batch.numbers.to(device, non_blocking=True)
    if name == "none":
        return views
    flipped = (numbers[:, FLIP] < SHARE)[:, None, None, None]
    views = CompositeViews(*(torch.where(flipped, x.flip(-1), x) for x in views))
    if name == "flip":
        return views
    inputs = _coloured(torch.stack([views.background, views.picture], dim=1), numbers)
    if name == "jitter-cutout":
        inputs = torch.where(_rectangles(numbers, *inputs.shape[-2:])[:, None, None], GREY, inputs)
    return views._replace(background=inputs[:, 0], picture=inputs[:, 1])


@torch.no_grad()
def plain_views(batch: CompositeBatch, device: torch.device | str) -> CompositeViews:
    """The pictures as they are, for validation."""
    batch = batch.on(device)
    return CompositeViews(
        batch.background.float() / 255,
        batch.picture.float() / 255,
        batch.mask[:, None].float(),
        batch.depth[:, None] / 255,
    )


def _coloured(inputs: Tensor, numbers: Tensor) -> Tensor:
    """(B, 2, 3, H, W) in [0, 1] with new colours, the same for both pictures of a sample."""
    spread = torch.tensor(SPREAD, device=inputs.device)
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0], device=inputs.device)
    factors = neutral + spread * (2 * numbers[:, JITTER : JITTER + 4] - 1)
    order = numbers[:, ORDER : ORDER + 4].argsort(dim=1, stable=True)
    changed = color_jitter(
        inputs.flatten(0, 1), factors.repeat_interleave(2, 0), order.repeat_interleave(2, 0)
    ).view_as(inputs)
    return torch.where((numbers[:, COLOUR] < SHARE)[:, None, None, None, None], changed, inputs)


def _rectangles(numbers: Tensor, height: int, width: int) -> Tensor:
    """(B, H, W) bool: the rectangle of each sample that has one. DeVries and Taylor 2017 (cutout)."""
    inside = (numbers[:, CUT] < SHARE)[:, None, None]
    for axis, length in enumerate((height, width)):
        extent = LARGEST * length * numbers[:, EXTENT + axis]
        start = numbers[:, PLACE + axis] * (length - extent)
        pixels = torch.arange(length, device=numbers.device) + 0.5
        within = (pixels >= start[:, None]) & (pixels < (start + extent)[:, None])
        inside = inside & (within[:, :, None] if axis == 0 else within[:, None, :])
    return inside
