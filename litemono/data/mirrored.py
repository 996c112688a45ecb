"""Maps beside the images of a data set: the depth that a frozen network gave them, and object masks.

They lie in a folder that mirrors the images, DATA/run_1/a.jpg and FOLDER/run_1/a.png, or are packed beside the frames
(`litemono prepare maps`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from litemono.data.datasets.base import Size
from litemono.data.splits import SplitLine
from litemono.data.stores.arrays import check_16_bits, other_size, read_floats
from litemono.data.stores.base import FrameStore
from litemono.data.stores.drive_maps import PictureReader
from litemono.data.stores.headers import BadFile, image_size
from litemono.data.stores.images import read_numbers, stated_factor
from litemono.data.stores.packed import PackedStore
from litemono.utils.errors import UserError

NETWORK_SIZE = "_disp.npy"  # `litemono predict --save_npy`: at the network's size, not at the image's
SHOWN = 6  # values named in a message


class Kind(NamedTuple):
    """A kind of map."""

    name: str
    """In a pack: image_02.NAME.bin."""
    flag: str
    what: str
    suffixes: tuple[str, ...]
    """Ends of its file names behind the image's stem, in the order in which they are looked for."""


FROZEN = Kind("frozen", "frozen_depth", "frozen depth", ("_depth.png", ".png", ".npy", NETWORK_SIZE))
MASK = Kind("mask", "object_masks", "object mask", (".png",))


class MirroredMaps:
    """The maps of one kind; read by several threads."""

    def __init__(self, kind: Kind, store: FrameStore, folder: Path | None) -> None:
        """folder: None for what is packed. UserError where there is neither."""
        self.kind, self.store, self.folder = kind, store, folder
        self._listings: dict[Path, frozenset[str]] = {}
        if folder is None and not has_packed(store, kind):
            raise UserError(
                f"--data_path {store.root}: has no {kind.what} packed; give --{kind.flag}, the folder that has it for each image"
            )

    def place(self, line: SplitLine) -> str:
        """Where the map is or should be, for messages."""
        path = self.path(line)
        return f"the pack's {self.kind.what} of frame {line.frame}, {line.folder}" if path is None else str(path)

    def path(self, line: SplitLine) -> Path | None:
        """Its file, which may not exist; None where it is packed."""
        if self.folder is None:
            return None
        directory, _, stem = self.store.stem(*line).rpartition("/")
        there = self._listing(self.folder / directory)
        names = [stem + suffix for suffix in self.kind.suffixes]
        return self.folder / directory / next((name for name in names if name in there), f"{stem}.png")

    def _listing(self, directory: Path) -> frozenset[str]:
        """Names in a directory, read once: a split has 40,000 lines but few directories."""
        if directory not in self._listings:
            self._listings[directory] = frozenset(os.listdir(directory) if directory.is_dir() else ())
        return self._listings[directory]

    def factor(self, line: SplitLine) -> str | None:
        """The number for one metre, where the map says it: see images.check_factor."""
        path = self.path(line)
        if path is not None:
            return stated_factor(path)
        reader = self._reader(line)
        return None if reader is None else reader.pictures.factor

    def _reader(self, line: SplitLine) -> PictureReader | None:
        assert isinstance(self.store, PackedStore)
        return self.store.packed_pictures(self.kind.name, line.folder, line.side)

    def has(self, line: SplitLine) -> bool:
        path = self.path(line)
        if path is not None:
            return os.path.lexists(path)
        reader = self._reader(line)
        return reader is not None and reader.has(line.frame)

    def read(self, line: SplitLine) -> np.ndarray:
        """(h, w) numbers at the image's size: those of a PNG, or float32."""
        path = self.path(line)
        if path is None:
            return self.store.read_array(self.kind.name, *line)
        if not self.has(line):
            raise UserError(f"frame {line.frame} {line.side} of {line.folder}: no {self.kind.what} {path}")
        return read_map(path, self.kind, self.store.native_size(*line))

    def check(self, lines: Sequence[SplitLine], source: object) -> None:
        """UserError for absent maps, and for maps of another size than their image by their first bytes."""
        absent = [line for line in lines if not self.has(line)]
        if absent:
            how = "" if self.folder is None else f" (looked for names that end with {' '.join(self.kind.suffixes)})"
            raise UserError(
                f"{source}: {len(absent)} of {len(lines)} images have no {self.kind.what}; first: "
                f"{self.place(absent[0])}{how}"
            )
        for line in lines:
            path = self.path(line)
            if path is not None and path.suffix == ".png" and (size := png_size(path)) != self.store.native_size(*line):
                raise UserError(other_size(path, size, self.store.native_size(*line), self.kind.what))


def has_packed(store: FrameStore, kind: Kind) -> bool:
    """Whether a pack has maps of this kind for any camera."""
    if not isinstance(store, PackedStore):
        return False
    cameras = (camera for drive in store.index.drives.values() for camera in drive.cameras.values())
    return any(kind.name in camera.pictures for camera in cameras)


def read_map(path: Path, kind: Kind, of_image: Size) -> np.ndarray:
    """(h, w) numbers of a file: those of a PNG, or float32. What has the network's size is brought to the image's."""
    if path.suffix != ".npy":
        return read_grey(path, kind)
    values = read_floats(path, whole_numbers=False)
    if path.name.endswith(NETWORK_SIZE):
        return cv2.resize(values, of_image[::-1], interpolation=cv2.INTER_LINEAR)
    return values


def as_depth(numbers: np.ndarray, factor: float, where: object) -> np.ndarray:
    """(h, w) float32 frozen depth; factor: numbers of a PNG for one metre. UserError for what is not finite."""
    if numbers.dtype.kind != "f":
        return numbers.astype(np.float32) / np.float32(factor)
    bad = np.count_nonzero(~np.isfinite(numbers))
    if bad:
        raise UserError(f"{where}: {bad} pixels are NaN or infinite; predict this image again")
    return numbers


def png_size(path: Path) -> Size:
    try:
        return image_size(path, turned_by_exif=False)
    except BadFile as error:
        raise UserError(f"{path}: {error}; write it again") from None


def read_grey(path: Path, kind: Kind) -> np.ndarray:
    """(h, w) numbers of a picture with one channel."""
    values = read_numbers(path, "write it again", labels=kind is MASK)
    if values.ndim != 2:
        raise UserError(f"{path}: has several channels; {kind.what} is one number for each pixel")
    check_16_bits(values, path)
    return values


def check_binary(mask: np.ndarray, where: object) -> np.ndarray:
    """(h, w) bool of a mask: 0, and one other number for objects. UserError for a mask with more values than these."""
    objects = mask != 0
    if not objects.any() or (mask[objects] == mask.max()).all():
        return objects
    values = np.unique(mask)
    named = ", ".join(map(str, values[:SHOWN].tolist())) + (
        f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    )
    raise UserError(
        f"{where}: a mask has 0 and one other value for objects, this one has {named}; write 1 for every object"
    )
