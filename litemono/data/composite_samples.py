"""Samples of background, picture, mask and depth, and batches of them as the loader hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from litemono.data.batch import Key
from litemono.data.composite_settings import CompositesConfig
from litemono.data.datasets.base import Size
from litemono.data.datasets.composites import split_by_background
from litemono.data.sampler import augmentation_numbers
from litemono.data.splits import SplitLine
from litemono.data.stores.composites import CompositeStore, open_composites
from litemono.utils.errors import require

NUMBERS = 16
"""Random numbers of a sample; which is for what says augment_composites.py."""
LOOKED_AT = 4  # samples of image files that are read before training starts


class CompositeBatch(NamedTuple):
    """What the loader hands over; nothing is augmented yet."""

    background: Tensor  # (B, 3, H, W) uint8
    picture: Tensor  # (B, 3, H, W) uint8
    mask: Tensor  # (B, H, W) uint8, 1 where the figure is
    depth: Tensor  # (B, H, W) uint8
    numbers: Tensor  # (B, NUMBERS) float32 uniform in [0, 1): functions of (seed, epoch, sample) alone
    line: Tensor  # (B,) int64 place of the sample in the list

    def on(self, device: torch.device | str) -> CompositeBatch:
        """The batch on `device`; never waits for a GPU."""
        return CompositeBatch(*(tensor.to(device, non_blocking=True) for tensor in self))


class CompositeSamples:
    """Samples of a store."""

    lossy = ""

    def __init__(
        self, store: CompositeStore, lines: Sequence[SplitLine], seed: int = 0, training: bool = False
    ) -> None:
        self.store, self.lines, self.seed, self.training = store, list(lines), seed, training

    def __len__(self) -> int:
        return len(self.lines)

    def batch(self, keys: Sequence[Key], pin: bool = False) -> CompositeBatch:
        """The samples of `keys`, (epoch, place), read straight into the batch's memory; pin: in pages a GPU copies from."""

        def memory(*shape: int) -> Tensor:
            return torch.empty((len(keys), *shape, *self.store.size), dtype=torch.uint8, pin_memory=pin)

        arrays = [memory(3), memory(3), memory(), memory()]
        for row, (_, place) in enumerate(keys):
            for array, values in zip(arrays, self.store.read(self.lines[place]), strict=True):
                array.numpy()[row] = values
        numbers = np.stack([self.numbers(epoch, place) for epoch, place in keys]).astype(np.float32)
        rest = (torch.from_numpy(numbers), torch.tensor([place for _, place in keys]))
        return CompositeBatch(*arrays, *(tensor.pin_memory() if pin else tensor for tensor in rest))

    def to_send(self, keys: Sequence[Key]) -> CompositeBatch:
        """The same in pages that a GPU copies from."""
        return self.batch(keys, pin=True)

    def numbers(self, epoch: int, place: int) -> np.ndarray:
        """(NUMBERS,) float64; see augmentation_numbers."""
        return augmentation_numbers(NUMBERS, self.seed, epoch, place, self.training)


def open_samples(data: CompositesConfig, which: Literal["train", "val"], size: Size, seed: int) -> CompositeSamples:
    """The "train" or "val" samples at --data_path. UserError for an empty part, and for what the first samples show."""
    store = open_composites(data.data_path, size)
    require(store.has_truth, f"--data_path {data.data_path}: has no masks and depths")
    lines = split_by_background(store.lines, which, data.val_share, data.split_seed)
    for place in np.linspace(0, len(lines) - 1, min(LOOKED_AT, len(lines))).astype(int):
        store.read(lines[place])
    return CompositeSamples(store, lines, seed, training=which == "train")
