"""Samples of refinement: an image, its ground truth, the depth that a frozen network gave it, and its object mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from litemono.data.batch import Key
from litemono.data.datasets.base import Size
from litemono.data.depth_data import open_set
from litemono.data.depth_samples import DepthSamples, MixedSamples
from litemono.data.depth_source import LOOKED_INTO
from litemono.data.fit import fit
from litemono.data.mirrored import (
    FROZEN,
    MASK,
    MirroredMaps,
    as_depth,
    check_binary,
    has_packed,
)
from litemono.data.refine_settings import RefineDataConfig
from litemono.data.splits import SplitLine
from litemono.data.stores.arrays import check_size, other_size
from litemono.data.stores.images import check_stated
from litemono.utils.errors import UserError


class RefineBatch(NamedTuple):
    """What the loader hands over; nothing is augmented yet."""

    image: Tensor  # (B, 3, h, w) uint8
    target: Tensor  # (B, h, w) float32 metres; 0 = not measured
    given: Tensor  # (B, h, w) float32 frozen depth, in its own unit
    objects: Tensor  # (B, h, w) bool; all False without masks
    numbers: Tensor  # (B, NUMBERS) float32 uniform in [0, 1): functions of (seed, epoch, sample) alone
    line: Tensor  # (B,) int64 place of the sample in the list

    def on(self, device: torch.device | str) -> RefineBatch:
        """The batch on `device`; never waits for a GPU."""
        return RefineBatch(*(tensor.to(device, non_blocking=True) for tensor in self))


class RefineSamples:
    """Frames of one data set with their ground truth and their frozen depth, at the size of a batch."""

    def __init__(self, depth: DepthSamples, data: RefineDataConfig, seed: int, training: bool) -> None:
        self.depth, self.data = MixedSamples([depth], seed, training), data
        self.store, self.lines = depth.store, depth.lines
        self.given = MirroredMaps(FROZEN, self.store, data.frozen_depth)
        with_masks = data.object_masks is not None or has_packed(self.store, MASK)
        self.masks = MirroredMaps(MASK, self.store, data.object_masks) if with_masks else None

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def lossy(self) -> str:
        return self.store.lossy

    def batch(self, keys: Sequence[Key], pin: bool = False) -> RefineBatch:
        """The samples of `keys`, (epoch, place), read straight into the batch's memory; pin: in pages a GPU copies from."""
        base = self.depth.batch(keys, pin)
        given = torch.empty(base.target.shape, pin_memory=pin)
        objects = torch.zeros(base.target.shape, dtype=torch.bool, pin_memory=pin)
        cuts = base.numbers[:, -2:].double().numpy()
        for place, line in enumerate(base.line.tolist()):
            where = (float(cuts[place, 0]), float(cuts[place, 1]))
            given[place] = self.fitted(self.frozen(self.lines[line]), where, self.given, line)
            if self.masks is not None:
                objects[place] = self.fitted(self.objects_of(self.lines[line]), where, self.masks, line)
        return RefineBatch(base.image, base.target, given, objects, base.numbers, base.line)

    def to_send(self, keys: Sequence[Key]) -> RefineBatch:
        """The same in pages that a GPU copies from."""
        return self.batch(keys, pin=True)

    def fitted(self, values: np.ndarray, place: tuple[float, float], maps: MirroredMaps, line: int) -> Tensor:
        """A map as --fit brings it to the size of a batch, cut where its image is cut."""
        samples = self.depth.sets[0]
        height, width = values.shape
        window = fit(samples.how, (height, width), samples.size, place)
        if window.size != self.depth.shape:
            of_image = self.store.native_size(*self.lines[line])
            raise UserError(other_size(maps.place(self.lines[line]), (height, width), of_image, maps.kind.what))
        return torch.from_numpy(np.ascontiguousarray(window.depth(values)))

    def frozen(self, line: SplitLine) -> np.ndarray:
        """(h, w) float32 frozen depth at the image's size; UserError for numbers that are no depth."""
        self.check_factor(line)
        return as_depth(self.given.read(line), self.data.frozen_factor, self.given.place(line))

    def objects_of(self, line: SplitLine) -> np.ndarray:
        """(h, w) bool."""
        assert self.masks is not None
        return check_binary(self.masks.read(line), self.masks.place(line))

    def check(self, source: object) -> None:
        """UserError for what reading would meet later: absent, of another size, constant, not binary."""
        for maps in filter(None, (self.given, self.masks)):
            maps.check(self.lines, source)
        places = np.unique(np.linspace(0, len(self) - 1, LOOKED_INTO).round().astype(int))
        for line in (self.lines[place] for place in places):
            self.look_into(line)

    def look_into(self, line: SplitLine) -> None:
        """The same for one sample's content."""
        frozen = self.frozen(line)
        self.check_size(frozen, self.given, line)
        if frozen.min() == frozen.max():
            raise UserError(
                f"{self.given.place(line)}: all pixels are {frozen.min():g}; a constant depth has nothing to refine"
            )
        if self.masks is not None:
            self.check_size(self.objects_of(line), self.masks, line)

    def check_size(self, values: np.ndarray, maps: MirroredMaps, line: SplitLine) -> None:
        """UserError for a map of another size than its image; packed ones were compared when they were packed."""
        if maps.folder is not None:
            check_size(values, self.store.native_size(*line), maps.place(line), maps.kind.what)

    def check_factor(self, line: SplitLine) -> None:
        """UserError where a PNG of `predict --depth_png` says another factor than --frozen_factor."""
        check_stated(self.given.factor(line), self.data.frozen_factor, "frozen_factor", self.given.place(line))


def open_refine_data(data: RefineDataConfig, which: Literal["train", "val"], size: Size, seed: int) -> RefineSamples:
    """The "train" or "val" samples. size: --height and --width. UserError for what is missing or no depth."""
    samples = open_set(data, data.chosen(), which, "metres", size)
    found = RefineSamples(samples, data, seed, training=which == "train")
    found.check(f"{Path(data.data_path)} ({which} part)")
    return found
