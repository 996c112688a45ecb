"""Refiners: an image and the depth that another network gives it -> depth in metres.

All of them first bring the given depth to metres by one scale and shift for all images (alignment.py). unet-resnet18 then looks
at both; affine learns another scale and shift, affine-grid one of each for every part of the image.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.alignment import Alignment
from networks.any_size import at_any_size
from networks.errors import NetworkError
from networks.layers import normalise, without_autocast
from networks.registry import REFINERS, NetworkSpec
from networks.unet import UNetResNet18

Predict = Literal["residual", "depth"]
LEAST_DEPTH = 1e-3  # metres
NUMBERS = ("scale", "shift", "unit", "farthest")
GRID = (6, 8)  # rows and columns of affine-grid's fields


class RefineNet(nn.Module):
    """Image (B, 3, H, W) in [0, 1] and given depth (B, 1, H, W) -> (B, 1, H, W) metres, at least LEAST_DEPTH.

    The depth has the weights' number format. What is not in the body is computed in float32 or better, and the alignment keeps
    its float64 whatever the network is cast to.

    height and width are the image size that it was made for; other sizes run too.
    """

    attention = None
    scale: Tensor
    shift: Tensor
    unit: Tensor
    farthest: Tensor

    def __init__(self, spec: NetworkSpec, body: nn.Module, height: int, width: int, predict: Predict, by: Alignment):
        """body: its tensors are what a weights folder has in model.pt."""
        super().__init__()
        self.spec, self.height, self.width, self.predict = spec, height, width, predict
        self.published = body
        self.inverse = by.inverse
        for name in NUMBERS:
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))
        self.align(by)

    @property
    def name(self) -> str:
        """Its name in the registry."""
        return self.spec.name

    @property
    def alignment(self) -> Alignment:
        numbers = (self.scale.item(), self.shift.item(), self.unit.item(), self.farthest.item())
        return Alignment(self.inverse, *numbers)

    def align(self, by: Alignment) -> None:
        """Use another scale and shift; inverse or not stays what it was made with."""
        if by.inverse != self.inverse:
            raise NetworkError("a refiner of inverse depth cannot become one of depth, nor the other way round")
        for name in NUMBERS:
            getattr(self, name).fill_(getattr(by, name))

    def _apply(self, fn: Any, recurse: bool = True) -> RefineNet:
        """Casts and moves all but the alignment's number format; MPS has no float64 and gets float32."""
        before = {name: getattr(self, name) for name in NUMBERS}
        for name, number in before.items():
            setattr(self, name, number.float())
        super()._apply(fn, recurse)
        for name, number in before.items():
            moved = getattr(self, name)
            exact = torch.float32 if moved.device.type == "mps" else torch.float64
            # to_empty(): what was on the meta device has no value.
            setattr(self, name, moved.to(exact) if number.is_meta else number.to(moved.device, exact))
        return self

    def settings(self) -> dict[str, object]:
        """What makes the network again, for a weights folder."""
        return {"network": self.name, "predict": self.predict, "alignment": dataclasses.asdict(self.alignment)}

    def aligned(self, given: Tensor) -> Tensor:
        """x of `alignment`, in metres or 1/metres; in float32, of a network in float64 in float64."""
        return (given.to(self.scale.dtype) * self.scale + self.shift).to(self.exact)

    @property
    def exact(self) -> torch.dtype:
        """What is computed in outside the body."""
        return torch.promote_types(self.number_format, torch.float32)

    @property
    def number_format(self) -> torch.dtype:
        """Of the weights."""
        return next(self.published.parameters()).dtype

    def metres(self, x: Tensor) -> Tensor:
        """Depth of x, from LEAST_DEPTH to `farthest`."""
        farthest = self.farthest.to(x.dtype)
        if self.inverse:
            x = 1 / torch.maximum(x, 1 / farthest)
        return torch.minimum(x, farthest).clamp(min=LEAST_DEPTH)

    def forward(self, image: Tensor, given: Tensor) -> Tensor:
        with without_autocast(image):
            x = self.aligned(given)
        depth = self.refined(image, x)
        # The value is limited, its gradient is not: a pixel that was once below could never come back.
        limited = depth + (depth.clamp(min=LEAST_DEPTH) - depth).detach()
        return limited.to(self.number_format)

    def refined(self, image: Tensor, x: Tensor) -> Tensor:
        """Metres, of an image and the aligned depth x."""
        raise NotImplementedError


class UNetRefiner(RefineNet):
    """residual: aligned depth + unit * body(image, depth); depth: unit * relu(body(image, depth))."""

    def refined(self, image: Tensor, x: Tensor) -> Tensor:
        with without_autocast(image):
            depth, unit = self.metres(x), self.unit.to(x.dtype)
            both = torch.cat([normalise(image.to(x.dtype), self.spec.normalisation), depth / unit], dim=1)
            both = both.to(self.number_format)
        (map,) = at_any_size(lambda both: [self.published(both)], self.spec, both)
        with without_autocast(image):
            result = unit * map.to(x.dtype)
            return depth + result if self.predict == "residual" else result


class AffineRefiner(RefineNet):
    """scale x + shift, numbers or fields; in the terms of x, before it becomes metres."""

    def refined(self, image: Tensor, x: Tensor) -> Tensor:
        with without_autocast(image):
            unit = self.unit.to(x.dtype)
            scale, shift = (field.to(x.dtype) for field in self.published(x.shape[-2:]))
            return self.metres(scale * x + shift * (1 / unit if self.inverse else unit))


class Fields(nn.Module):
    """Size (H, W) -> scale and shift, (1, 1, H, W) each: bilinear between rows x columns of numbers."""

    def __init__(self, rows: int, columns: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 1, rows, columns))
        self.shift = nn.Parameter(torch.zeros(1, 1, rows, columns))

    def forward(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        if self.scale.numel() == 1:
            return self.scale, self.shift
        scale, shift = (F.interpolate(f, size, mode="bilinear", align_corners=True) for f in (self.scale, self.shift))
        return scale, shift


def create_unet_resnet18(spec: NetworkSpec, height: int, width: int, predict: Predict, by: Alignment) -> RefineNet:
    body = UNetResNet18(rectified=predict == "depth")
    head: Any = body.segmentation_head[0]
    # A residual begins as 0, a depth as `unit`: where the last ReLU passes no gradient it would stay.
    nn.init.zeros_(head.weight)
    nn.init.constant_(head.bias, float(predict == "depth"))
    return UNetRefiner(spec, body, height, width, predict, by)


def create_affine(spec: NetworkSpec, height: int, width: int, predict: Predict, by: Alignment) -> RefineNet:
    return AffineRefiner(spec, Fields(1, 1), height, width, predict, by)


def create_affine_grid(spec: NetworkSpec, height: int, width: int, predict: Predict, by: Alignment) -> RefineNet:
    return AffineRefiner(spec, Fields(*GRID), height, width, predict, by)


def create_refiner(
    name: str, *, height: int, width: int, predict: Predict = "residual", alignment: Alignment | None = None
) -> RefineNet:
    """The refiner `name` with fresh weights. Raises NetworkError for other names and a size that is too small."""
    if name not in REFINERS:
        raise NetworkError(f"there is no refiner {repr(name)[:80]}; choose from {', '.join(REFINERS)}")
    spec = REFINERS[name]
    spec.input.check(height, width)
    return spec.load_constructor()(spec, height, width, predict, alignment or Alignment())
