"""Packed single pictures of any size, with their depth and masks: what `litemono.prepare pack` makes of NYU, ReDWeb and pairs.

DIR/pictures.json        the index (picture_index.py), written last: what it does not name does not exist
DIR/FOLDER/images.bin    uint8 (pictures, 3, height, width), resized to one size
DIR/FOLDER/depth.bin     maps one behind the other at their original size: numbers as in their files, uint8, uint16 or float32
DIR/FOLDER/mask.bin      the same
"""

from __future__ import annotations

import os
import shlex
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from litemono.data.datasets.base import Dataset
from litemono.data.fit import Fit, FitName
from litemono.data.stores.picture_index import images_file, map_places, maps_file, read_index
from litemono.data.stores.shared_file import SharedFile
from litemono.utils.errors import UserError


class PackedMap(NamedTuple):
    """Where a picture's depth or mask is."""

    file: SharedFile
    start: int
    numbers: str
    """numpy's name of their type."""
    crc32: int


class PicturePack:
    """Pictures of a folder made by `litemono.prepare pack`, at the size they were packed at. Threads share it."""

    holds_originals, lossy = False, ""
    fit: FitName = "stretch"

    def __init__(self, dataset: Dataset, root: Path) -> None:
        """Raises UserError for a pack of another data set, and one whose files are shorter than the index says."""
        if not hasattr(os, "preadv"):
            raise UserError(
                f"--data_path {root}: packed pictures cannot be read on this system; give the folder of images"
            )
        self.dataset, self.root, self.index = dataset, Path(root), read_index(root)
        self.height, self.width = self.index.height, self.index.width
        if self.index.dataset != dataset.name:
            raise UserError(f"--data_path {root}: packed from --dataset {self.index.dataset[:100]}, not {dataset.name}")
        self._images: dict[str, SharedFile] = {}  # by folder
        self._rows: dict[tuple[str, int], int] = {}
        self._maps: dict[tuple[str, str, int], PackedMap] = {}  # by kind, folder, frame
        for folder, entry in self.index.folders.items():
            self._rows.update({(folder, frame): row for row, frame in enumerate(entry.frames)})
            needed = len(entry.frames) * self.index.picture_bytes
            self._images[folder] = SharedFile(images_file(self.root, folder), needed)
            for kind, maps in entry.maps.items():
                places = map_places(entry, maps)
                file = SharedFile(maps_file(self.root, folder, kind), sum(length for _, length in places.values()))
                for frame, numbers, crc in zip(maps.frames, maps.types, maps.crc32, strict=True):
                    self._maps[kind, folder, frame] = PackedMap(file, places[frame][0], numbers, crc)

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        planes = np.empty((3, self.height, self.width), np.uint8)
        self.read_planes(folder, frame, side, planes)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))

    def read_planes(self, folder: str, frame: int, side: str, planes: np.ndarray) -> None:
        if not self.has(folder, frame, side):
            raise UserError(f"{self.missing(folder, frame, side)}; pack it into the same folder")
        start = self._rows[folder, frame] * self.index.picture_bytes
        self._images[folder].read_into(planes.data, start, frame)

    def read_original(self, folder: str, frame: int, side: str) -> np.ndarray:
        return self.read(folder, frame, side)  # what the pack was made from is not in it

    def read_fitted(self, folder: str, frame: int, side: str, window: Fit, planes: np.ndarray) -> None:
        self.read_planes(folder, frame, side, planes)  # fitted when it was packed

    def read_array(self, kind: str, folder: str, frame: int, side: str) -> np.ndarray:
        """(h, w) uint8, uint16 or float32 at the picture's original size."""
        if not self.has_array(kind, folder, frame, side):
            raise UserError(f"{maps_file(self.root, folder, kind)}: has no {kind} of frame {frame}")
        packed = self._maps[kind, folder, frame]
        values = np.empty(self.native_size(folder, frame, side), packed.numbers)
        packed.file.read_into(values.data, packed.start, frame)
        return values

    def has_array(self, kind: str, folder: str, frame: int, side: str) -> bool:
        return (kind, folder, frame) in self._maps

    def map_bits(self, kind: str, folder: str, frame: int) -> int:
        """Of a map's numbers: 8, 16 or 32."""
        return 8 * np.dtype(self._maps[kind, folder, frame].numbers).itemsize

    def array_path(self, kind: str, folder: str, frame: int, side: str) -> Path | None:
        return None

    def array_place(self, kind: str, folder: str, frame: int, side: str) -> str:
        return f"{maps_file(self.root, folder, kind)}, frame {frame}"

    def stated_factor(self, folder: str, frame: int, side: str) -> str | None:
        return self.index.folders[folder].maps["depth"].factor

    def stem(self, folder: str, frame: int, side: str) -> str:
        return self.index.folders[folder].stems[self._rows[folder, frame]]

    def has(self, folder: str, frame: int, side: str) -> bool:
        return side == "l" and (folder, frame) in self._rows

    def look(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        return self.native_size(folder, frame, side)

    def native_size(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        if not self.has(folder, frame, side):
            raise UserError(self.missing(folder, frame, side))
        return self.index.folders[folder].sizes[self._rows[folder, frame]]

    def neighbour(self, folder: str, frame: int, offset: int) -> int:
        return frame + offset

    def missing(self, folder: str, frame: int, side: str) -> str:
        return f"frame {frame} {side} is not packed in {images_file(self.root, folder)}"

    def check_size(self, height: int, width: int) -> None:
        """UserError unless the pictures were packed at this size."""
        if (self.height, self.width) != (height, width):
            raise UserError(
                f"--data_path {self.root}: packed at {self.width}x{self.height} (width x height), not {width}x{height}; give "
                f"--height {self.height} --width {self.width}, or pack again: python -m litemono.prepare pack --dataset "
                f"{shlex.quote(self.dataset.name)} --from FOLDER --size {width}x{height} --output ANOTHER_FOLDER"
            )

    def problems(self, folder: str, frame: int) -> list[str]:
        """What is wrong with the bytes of a picture and of its maps."""
        entry, row = self.index.folders[folder], self._rows[folder, frame]
        planes = np.empty((3, self.height, self.width), np.uint8)
        self.read_planes(folder, frame, "l", planes)
        found = [self._images[folder].path] if zlib.crc32(planes.data) != entry.crc32[row] else []
        for kind in entry.maps:
            if self.has_array(kind, folder, frame, "l"):
                packed = self._maps[kind, folder, frame]
                wrong = zlib.crc32(self.read_array(kind, folder, frame, "l").data) != packed.crc32
                found += [packed.file.path] if wrong else []
        return [f"{path}: frame {frame} is damaged; delete this file and pack again" for path in found]
