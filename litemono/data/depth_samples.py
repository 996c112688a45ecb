"""Samples with ground-truth depth: one data set's, and batches of them as the loader hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from litemono.data.batch import Key
from litemono.data.datasets.base import Size
from litemono.data.depth_source import DepthUnit, inverse, read_numbers
from litemono.data.fit import FitName, batch_size, fit
from litemono.data.sampler import augmentation_numbers
from litemono.data.splits import SplitLine
from litemono.data.stores.base import FrameStore
from litemono.utils.errors import UserError

NUMBERS = 24
"""Random numbers of a sample; which is for what says augment_depth.py. The last two: where --fit cover cuts."""
Target = Literal["metres", "inverse"]
"""What the loss compares: depth, or inverse depth of unknown scale (depth_source.inverse)."""


class DepthBatch(NamedTuple):
    """What the loader hands over; nothing is augmented yet."""

    image: Tensor  # (B, 3, h, w) uint8
    target: Tensor  # (B, h, w) float32 metres, or inverse depth up to 10; 0 = not measured
    source: Tensor  # (B,) int64 place of the sample's data set in --dataset
    numbers: Tensor  # (B, NUMBERS) float32 uniform in [0, 1): functions of (seed, epoch, sample) alone
    truth: Tensor  # (B, h', w') float32 target at the original size, 0 below and right of it; (B, 0, 0) in training
    truth_size: Tensor  # (B, 2) int64 height and width of that
    line: Tensor  # (B,) int64 place of the sample in the list

    def on(self, device: torch.device | str) -> DepthBatch:
        """The batch on `device`; never waits for a GPU."""
        return DepthBatch(*(tensor.to(device, non_blocking=True) for tensor in self))


class DepthSamples:
    """Frames of one data set with their depth, at the size of a batch."""

    def __init__(
        self, store: FrameStore, lines: Sequence[SplitLine], unit: DepthUnit, target: Target, how: FitName, size: Size
    ) -> None:
        """size: --height and --width; lines: those that have depth."""
        self.store, self.lines, self.unit, self.target = store, list(lines), unit, target
        self.how, self.size = how, size

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def batch_size(self) -> Size:
        """(height, width) of the images in a batch."""
        return batch_size(self.how, self.store.native_size(*self.lines[0]), self.size)

    def read(self, index: int, place: tuple[float, float], planes: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Write sample `index` into planes (3, h, w) uint8 and target (h, w) float32; returns its depth at full size.

        Metres are computed only of the pixels that are left, so the depth is returned as numbers: see `truth`.
        """
        line = self.lines[index]
        depth = read_numbers(self.store, line, self.unit)
        if self.target == "inverse":  # scaled by the nearest pixel, which may be cut off
            depth = inverse(self.unit.values(depth), self.unit.depth_is)
        height, width = depth.shape
        window = fit(self.how, (height, width), self.size, place)
        if window.size != target.shape:
            raise UserError(
                f"{self.store.array_place('depth', *line)}: {width}x{height} pixels, others have {target.shape[1]}x"
                f"{target.shape[0]}, and --fit {self.how} resizes nothing; use --fit cover or --fit stretch"
            )
        self.store.read_fitted(*line, window, planes)
        self.truth(window.depth(depth), target)
        return depth

    def truth(self, depth: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """(h, w) float32 target of what `read` returns or of a part of it. out: where to write it."""
        if self.target == "metres":
            return self.unit.values(depth, out)
        if out is None:
            return depth
        out[:] = depth
        return out


class MixedSamples:
    """Samples of several data sets as one list, the first set's first."""

    def __init__(self, sets: Sequence[DepthSamples], seed: int, training: bool) -> None:
        self.sets, self.seed, self.training = list(sets), seed, training
        self.starts = np.cumsum([0, *map(len, self.sets)])
        self.shape = self.sets[0].batch_size

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def lines(self) -> list[SplitLine]:
        return [line for samples in self.sets for line in samples.lines]

    @property
    def lossy(self) -> str:
        return ", ".join(samples.store.lossy for samples in self.sets if samples.store.lossy)

    def batch(self, keys: Sequence[Key], pin: bool = False) -> DepthBatch:
        """The samples of `keys`, (epoch, place), read straight into the batch's memory; pin: in pages a GPU copies from.

        A place beyond the list means the sample again, with other random numbers.
        """
        image = torch.empty((len(keys), 3, *self.shape), dtype=torch.uint8, pin_memory=pin)
        target = torch.empty((len(keys), *self.shape), pin_memory=pin)
        numbers = np.stack([self.numbers(epoch, place) for epoch, place in keys])
        lines = np.array([place % len(self) for _, place in keys])
        sources = np.searchsorted(self.starts, lines, side="right") - 1
        truths = []
        for source, line, row, planes, part in zip(sources, lines, numbers, image.numpy(), target.numpy(), strict=True):
            samples = self.sets[source]
            depth = samples.read(line - self.starts[source], (row[-2], row[-1]), planes, part)
            if not self.training:
                truths.append(samples.truth(depth))
        truth, sizes = padded(truths, len(keys))
        rest = (*map(torch.from_numpy, (sources, numbers.astype(np.float32))), truth, sizes, torch.from_numpy(lines))
        return DepthBatch(image, target, *(tensor.pin_memory() if pin else tensor for tensor in rest))

    def to_send(self, keys: Sequence[Key]) -> DepthBatch:
        """The same in pages that a GPU copies from."""
        return self.batch(keys, pin=True)

    def numbers(self, epoch: int, place: int) -> np.ndarray:
        """(NUMBERS,) float64; see augmentation_numbers."""
        return augmentation_numbers(NUMBERS, self.seed, epoch, place, self.training)


def padded(maps: Sequence[np.ndarray], count: int) -> tuple[Tensor, Tensor]:
    """(B, h, w) of maps of different sizes, zeros below and right of each, and their sizes (B, 2)."""
    if not maps:
        return torch.empty(count, 0, 0), torch.zeros(count, 2, dtype=torch.int64)
    sizes = np.array([depth.shape for depth in maps])
    result = np.zeros((count, *sizes.max(0)), np.float32)
    for place, depth in zip(result, maps, strict=True):
        place[: depth.shape[0], : depth.shape[1]] = depth
    return torch.from_numpy(result), torch.from_numpy(sizes)
