"""Augmentation of images with ground truth, on the training device, the same for image and depth: --augment.

Everything is a function of a batch's `numbers`, which are functions of (seed, epoch, sample): the same sample of an epoch
becomes the same view whatever the number of threads or processes, and on resume. Nothing here asks the host for a value.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from litemono.data.augment import color_jitter
from litemono.data.datasets.base import Size
from litemono.data.depth_samples import DepthBatch
from litemono.data.depth_settings import AugmentName

FLIP, TURN, TOP, LEFT, COLOUR, GAMMA, BRIGHTNESS, CHANNELS, JITTER, ORDER = 0, 1, 2, 3, 4, 5, 6, 7, 10, 14
"""Places of a sample's random numbers; CHANNELS takes 3, JITTER and ORDER 4 each."""


class Preset(NamedTuple):
    """What an augmentation does; nothing by default. Ranges are uniform."""

    flip: float = 0.0
    """Probability of a mirrored view."""
    crop: bool = False
    """At a random place, where the image is larger than the network's input; else the image stays whole."""
    turn: float = 0.0
    """Largest rotation, degrees."""
    colour: float = 0.0
    """Probability of the colour changes below."""
    gamma: float = 0.0
    """Exponent 1 -+ gamma."""
    brightness: float = 0.0
    """Factor 1 -+ brightness."""
    channels: float = 0.0
    """Factor 1 -+ channels of each colour channel."""
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Brightness, contrast, saturation (factors 1 -+), hue (-+), in random order."""


PRESETS: dict[str, Preset] = {
    # Lite-Mono's colours and flip, on images of any kind
    "lite-mono": Preset(flip=0.5, crop=True, colour=0.5, jitter=(0.2, 0.2, 0.2, 0.1)),
    # Lee et al. 2019, as published for KITTI and for NYU
    "bts": Preset(flip=0.5, crop=True, turn=1.0, colour=0.5, gamma=0.1, brightness=0.1, channels=0.1),
    "bts-nyu": Preset(flip=0.5, crop=True, turn=2.5, colour=0.5, gamma=0.1, brightness=0.25, channels=0.1),
    # Ranftl et al. 2021: flips and crops; the same as MiDaS (Ranftl et al. 2020)
    "dpt": Preset(flip=0.5, crop=True),
    "midas": Preset(flip=0.5, crop=True),
    "none": Preset(),
}


class DepthViews(NamedTuple):
    """A batch as network and loss see it."""

    image: Tensor  # (B, 3, H, W) float32 in [0, 1]
    target: Tensor  # (B, H, W) float32, see DepthBatch; 0 = not measured
    source: Tensor  # (B,) int64 place of the data set in --dataset


@torch.no_grad()
def training_views(batch: DepthBatch, device: torch.device | str, name: AugmentName, size: Size) -> DepthViews:
    """Augmented views. size: --height and --width, to which larger images are cropped where the preset crops."""
    batch = batch.on(device)
    image, maps = augmented(batch.image, batch.target[:, None], batch.numbers, name, size)
    return DepthViews(image, maps[:, 0], batch.source)


@torch.no_grad()
def augmented(image: Tensor, maps: Tensor, numbers: Tensor, name: AugmentName, size: Size) -> tuple[Tensor, Tensor]:
    """Images (B, 3, h, w) uint8 and maps (B, C, h, w) that belong to them -> (B, 3, H, W) in [0, 1] and (B, C, H, W).

    numbers: a sample's random numbers; size: as in training_views. Maps are never interpolated.
    """
    preset, loaded = PRESETS[name], maps.shape[-2:]
    height, width = (min(a, b) for a, b in zip(size, loaded, strict=True)) if preset.crop else loaded
    image, maps = _window(image, maps, numbers, preset, height, width)
    return _coloured(image, numbers, preset), maps


@torch.no_grad()
def plain_views(batch: DepthBatch, device: torch.device | str) -> DepthViews:
    """The whole images as they are, for validation."""
    batch = batch.on(device)
    return DepthViews(batch.image.float() / 255, batch.target, batch.source)


def _window(
    image: Tensor, maps: Tensor, numbers: Tensor, preset: Preset, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Image (B, 3, height, width) in [0, 1] and maps (B, C, height, width) of each sample's turned, cut, flipped view."""
    rows, columns = maps.shape[-2:]
    top = (numbers[:, TOP] * (rows - height + 1)).floor()
    left = (numbers[:, LEFT] * (columns - width + 1)).floor()
    across = torch.arange(width, device=numbers.device)
    flipped = numbers[:, FLIP, None] < preset.flip
    x = torch.where(flipped, across.flip(0), across) + left[:, None]  # (B, width)
    y = torch.arange(height, device=numbers.device) + top[:, None]  # (B, height)
    if preset.turn:
        return _turned(image, maps, numbers, preset, x, y)
    x, y = x.long(), y.long()
    sample = torch.arange(len(numbers), device=numbers.device)[:, None, None]
    # An index behind a slice puts the channels last.
    maps = maps[sample, :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
    image = image[sample, :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
    return image.contiguous().float() / 255, maps.contiguous()


def _turned(
    image: Tensor, maps: Tensor, numbers: Tensor, preset: Preset, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """The pixels at x (B, width), y (B, height) of the images turned about their middle: bilinear, maps by nearest neighbour.

    What lies outside the image is black and 0.
    """
    rows, columns = maps.shape[-2:]
    angle = (2 * numbers[:, TURN] - 1) * math.radians(preset.turn)
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    dx, dy = x[:, None, :] - (columns - 1) / 2, y[:, :, None] - (rows - 1) / 2
    # grid_sample's [-1, 1] from the first pixel's middle to the last one's
    across = (cosine * dx - sine * dy) / ((columns - 1) / 2)
    down = (sine * dx + cosine * dy) / ((rows - 1) / 2)
    grid = torch.stack([across, down], dim=-1)
    image = F.grid_sample(image.float() / 255, grid, "bilinear", "zeros", align_corners=True)
    maps = F.grid_sample(maps, grid, "nearest", "zeros", align_corners=True)
    return image, maps


def _coloured(image: Tensor, numbers: Tensor, preset: Preset) -> Tensor:
    """(B, 3, H, W) in [0, 1] with new colours where the sample's turn has come."""
    if not preset.colour:
        return image

    def factor(first: int, spread: float, count: int = 1) -> Tensor:
        return 1 + spread * (2 * numbers[:, first : first + count, None, None] - 1)

    changed = image
    if preset.gamma or preset.brightness or preset.channels:
        changed = image ** factor(GAMMA, preset.gamma) * factor(BRIGHTNESS, preset.brightness)
        changed = (changed * factor(CHANNELS, preset.channels, 3)).clamp(0, 1)
    if any(preset.jitter):
        spread = torch.tensor(preset.jitter, device=image.device)
        neutral = torch.tensor([1.0, 1.0, 1.0, 0.0], device=image.device)
        factors = neutral + spread * (2 * numbers[:, JITTER : JITTER + 4] - 1)
        changed = color_jitter(changed, factors, numbers[:, ORDER : ORDER + 4].argsort(dim=1, stable=True))
    return torch.where(numbers[:, COLOUR, None, None, None] < preset.colour, changed, image)
