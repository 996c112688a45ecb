"""Packed frames: one flat file of resized frames for each camera of each drive, and an index.

    DIR/packed.json                                       the index, written last: what it does not name does not exist
    DIR/2011_09_26/calib_cam_to_cam.txt ...               calibration, as KITTI ships it
    DIR/2011_09_26/2011_09_26_drive_0001_sync/
        image_02.bin                                      uint8 (frames, 3, height, width), in the order of the index;
                                                          with --jpeg the frames' JPEGs, one behind the other
        velodyne_points.zip                               scans of validation and test frames (kitti.paths.scan_path)

A frame is stored as planes, the layout that training reads, so a triplet is three plain copies from the page cache into
the batch.  Frames are read by position and not through a memory map: as fast from the cache, one request instead of ninety
page faults from a network file system, and the process does not seem to grow by the size of the data.
"""

from __future__ import annotations

import os
import shlex
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from litemono.data.datasets.base import PackableDataset
from litemono.data.fit import Fit
from litemono.data.stores import packed_jpeg
from litemono.data.stores.arrays import picture_of, read_picture
from litemono.data.stores.drive_maps import PictureReader, pictures_file
from litemono.data.stores.images import stated_factor
from litemono.data.stores.packed_index import Camera, frames_file, read_index
from litemono.data.stores.shared_file import SharedFile
from litemono.data.stores.staging import Part, Staging
from litemono.utils.archives import DAMAGED
from litemono.utils.errors import UserError


def frames_are_whole(path: Path, start: int, crcs: list[int], lengths: list[int]) -> bool:
    """Whether the frames from byte `start` on have these lengths and checksums, on the disk where the system lets us ask it."""
    with open(path, "rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), start, 0, os.POSIX_FADV_DONTNEED)
        file.seek(start)
        return all(zlib.crc32(file.read(length)) == crc for length, crc in zip(lengths, crcs, strict=True))


def zip_is_whole(path: Path) -> bool:
    """Whether a zip can be opened and its members have their checksums."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except DAMAGED:
        return False


class PackedStore:
    """Frames of a folder made by `litemono.prepare pack`, at the size they were packed at."""

    holds_originals = False

    def __init__(self, dataset: PackableDataset, root: Path) -> None:
        if not hasattr(os, "preadv"):
            raise UserError(
                f"--data_path {root}: packed frames cannot be read on this system; give the folder of images"
            )
        self.dataset, self.root = dataset, Path(root)
        self.index = read_index(root)
        self.height, self.width, self.fit = self.index.height, self.index.width, self.index.fit
        if self.index.dataset != dataset.name:
            raise UserError(f"--data_path {root}: packed from --dataset {self.index.dataset[:100]}, not {dataset.name}")
        self._rows: dict[tuple[str, str], dict[int, int]] = {}  # row in the file by frame number
        self._starts: dict[tuple[str, str], Sequence[int]] = {}  # first bytes of a file's rows, and its end
        self._files: dict[tuple[str, str], SharedFile] = {}
        self._staging: Staging | None = None
        self._pictures: dict[tuple[str, str, str], PictureReader] = {}  # by kind, folder, side
        for folder, drive in self.index.drives.items():
            for side, camera in drive.cameras.items():
                self._add_camera(folder, side, camera)

    @property
    def lossy(self) -> str:
        return "" if self.index.jpeg is None else f"JPEGs of quality {self.index.jpeg}"

    def stage(self, flag: str) -> None:
        """Read from a copy on the node's own disk, made from the first read on; flag: the value of --stage."""
        self._staging = Staging(self.root, list(self._parts()), flag)

    def _parts(self) -> Iterator[Part]:
        for folder, drive in self.index.drives.items():
            for side, camera in drive.cameras.items():
                file = self._files[self._name(folder), side]
                yield Part(file.path, self.index.lengths(camera), camera.crc32, file.use_copy)
        for reader in self._pictures.values():
            yield Part(reader.file.path, reader.pictures.lengths, reader.pictures.crc32, reader.file.use_copy)

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        planes = np.empty((3, self.height, self.width), np.uint8)
        self.read_planes(folder, frame, side, planes)
        # The layout of a decoded image as well: convolutions round differently on another one.
        return np.ascontiguousarray(planes.transpose(1, 2, 0))

    def read_planes(self, folder: str, frame: int, side: str, planes: np.ndarray) -> None:
        if self.index.jpeg is None:
            self._read_into(planes.data, folder, frame, side)
        else:
            path = frames_file(self.root, self.dataset, folder, side)
            packed_jpeg.decode(self._stored(folder, frame, side), planes, f"{path}: frame {frame}")

    def place(self, folder: str, frame: int, side: str) -> tuple[Path, int, int]:
        """A frame's file, its first byte in it and its length."""
        row, key = self._row(folder, frame, side), (self._name(folder), side)
        if row < 0:
            raise self._not_packed(folder, frame, side)
        start, end = self._starts[key][row], self._starts[key][row + 1]
        return self._files[key].path, start, end - start

    def _stored(self, folder: str, frame: int, side: str) -> bytearray:
        """A frame as it is in its file."""
        row, key = self._row(folder, frame, side), (self._name(folder), side)
        content = bytearray(self._starts[key][row + 1] - self._starts[key][row] if row >= 0 else 0)
        self._read_into(memoryview(content), folder, frame, side)
        return content

    def _read_into(self, target: memoryview, folder: str, frame: int, side: str) -> None:
        row, key = self._row(folder, frame, side), (self._name(folder), side)
        if row < 0:
            raise self._not_packed(folder, frame, side)
        if self._staging:
            self._staging.start()
        self._files[key].read_into(target, self._starts[key][row], frame)

    def read_original(self, folder: str, frame: int, side: str) -> np.ndarray:
        return self.read(folder, frame, side)  # what the pack was made from is not in it

    def packed_pictures(self, kind: str, folder: str, side: str) -> PictureReader | None:
        """Pictures of a camera, where they are packed; others lie below the root as files."""
        return self._pictures.get((kind, self._name(folder), side))

    def map_kinds(self) -> list[str]:
        """Kinds of maps that are packed beside frames, besides those of the data set itself."""
        return sorted({kind for kind, _, _ in self._pictures} - {*self.dataset.packed_pictures})

    def read_array(self, kind: str, folder: str, frame: int, side: str) -> np.ndarray:
        reader = self.packed_pictures(kind, folder, side)
        if reader is not None:
            return reader.read(frame)
        return read_picture(self.dataset, self.root, kind, folder, frame, side)

    def array_path(self, kind: str, folder: str, frame: int, side: str) -> Path | None:
        if self.packed_pictures(kind, folder, side) is not None:
            return None
        return picture_of(self.dataset, kind).path(self.root, folder, frame, side)

    def has_array(self, kind: str, folder: str, frame: int, side: str) -> bool:
        reader = self.packed_pictures(kind, folder, side)
        if reader is not None:
            return reader.has(frame)
        return os.path.lexists(picture_of(self.dataset, kind).path(self.root, folder, frame, side))

    def array_place(self, kind: str, folder: str, frame: int, side: str) -> str:
        reader = self.packed_pictures(kind, folder, side)
        return str(
            self.array_path(kind, folder, frame, side) if reader is None else f"{reader.file.path}, frame {frame}"
        )

    def stated_factor(self, folder: str, frame: int, side: str) -> str | None:
        path = self.array_path("depth", folder, frame, side)
        return None if path is None else stated_factor(path)

    def stem(self, folder: str, frame: int, side: str) -> str:
        return "/".join(self.dataset.frame_place(folder, frame, side))

    def read_fitted(self, folder: str, frame: int, side: str, window: Fit, planes: np.ndarray) -> None:
        self.read_planes(folder, frame, side, planes)  # fitted when it was packed

    def has(self, folder: str, frame: int, side: str) -> bool:
        return self._row(folder, frame, side) >= 0

    def look(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        """The index knows the size; the bytes are compared by `check`."""
        if not self.has(folder, frame, side):
            raise UserError(self.missing(folder, frame, side))
        return self.native_size(folder, frame, side)

    def neighbour(self, folder: str, frame: int, offset: int) -> int:
        return frame + offset

    def native_size(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        if not self.has(folder, frame, side):
            raise self._not_packed(folder, frame, side)
        height, width = self.index.drives[self._name(folder)].cameras[side].native_size
        return height, width

    def missing(self, folder: str, frame: int, side: str) -> str:
        return f"frame {frame} is not packed in {frames_file(self.root, self.dataset, folder, side)}"

    def check(self, folder: str, frame: int, side: str) -> str | None:
        """What is wrong with a packed frame's bytes, if anything."""
        row = self._row(folder, frame, side)
        stored = self.index.drives[self._name(folder)].cameras[side].crc32[row]
        if zlib.crc32(self._stored(folder, frame, side)) != stored:
            path = frames_file(self.root, self.dataset, folder, side)
            return f"{path}: frame {frame} (row {row}) is damaged; delete this file and pack again"
        return None

    def _not_packed(self, folder: str, frame: int, side: str) -> UserError:
        return UserError(
            f"{self.missing(folder, frame, side)}; pack the split that needs it into the same folder: "
            f"python -m litemono.prepare pack --from ZIPS_OR_FOLDER --split SPLIT --output {shlex.quote(str(self.root))}"
        )

    def check_size(self, height: int, width: int) -> None:
        """UserError unless the frames were packed at this size."""
        index = self.index
        if (index.height, index.width) != (height, width):
            raise UserError(
                f"--data_path {self.root}: packed at {index.size} (width x height), not {width}x{height}; give --height "
                f"{index.height} --width {index.width}, or pack again: python -m litemono.prepare pack --from "
                f"ZIPS_OR_FOLDER --size {width}x{height} --output ANOTHER_FOLDER"
            )

    def _add_camera(self, folder: str, side: str, camera: Camera) -> None:
        starts = array("Q", accumulate(self.index.lengths(camera), initial=0))
        file = SharedFile(frames_file(self.root, self.dataset, folder, side), starts[-1])
        for kind, pictures in camera.pictures.items():
            path = pictures_file(self.root, self.dataset, kind, folder, side)
            command = "pack" if kind in self.dataset.packed_pictures else "maps"
            self._pictures[kind, self._name(folder), side] = PictureReader(path, pictures, command)
        self._files[self._name(folder), side] = file
        self._starts[self._name(folder), side] = starts
        self._rows[self._name(folder), side] = {frame: row for row, frame in enumerate(camera.frames)}

    def _name(self, folder: str) -> str:
        """The index's name of a drive: split lists may write odometry sequences as 0 or 00."""
        return self.dataset.folder_name(folder)

    def _row(self, folder: str, frame: int, side: str) -> int:
        """-1: not packed."""
        return self._rows.get((self._name(folder), side), {}).get(frame, -1)
