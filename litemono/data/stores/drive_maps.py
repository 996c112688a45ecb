"""Depth and masks in a pack: the numbers of their PNGs, one flat file beside the frames of each camera.

    image_02.bin           frames (packed.py)
    image_02.depth.bin     little-endian uint16 (frames, height, width) at the images' original size, in the order of the index;
                           of a pack with --fit kb_crop, of the crop

Nothing is resized or compressed, so a pack gives the same numbers as the files, for 0.9 MB a frame of KITTI.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from litemono.data.datasets.base import PackableDataset
from litemono.data.stores.shared_file import SharedFile
from litemono.utils.errors import UserError

TYPES: dict[int, str] = {8: "u1", 16: "<u2", 32: "<f4"}  # numpy's names


@dataclass
class Pictures:
    """One kind of picture of one camera, in the order of its file."""

    bits: int
    size: tuple[int, int]  # (height, width)
    frames: list[int] = field(default_factory=list)
    crc32: list[int] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)  # frames that no source has a picture of
    factor: str | None = None
    """Number for one metre, where the files of `litemono predict` say it."""

    @property
    def picture_bytes(self) -> int:
        return self.size[0] * self.size[1] * self.bits // 8

    @property
    def lengths(self) -> list[int]:
        """Bytes of each picture in the file."""
        return [self.picture_bytes] * len(self.frames)


def pictures_file(root: Path, dataset: PackableDataset, kind: str, folder: str, side: str) -> Path:
    return Path(root) / f"{dataset.camera_place(folder, side)}.{kind}.bin"


class PictureReader:
    """The pictures of a kind and camera that are packed; read by position, by several threads."""

    def __init__(self, path: Path, pictures: Pictures, command: str = "pack") -> None:
        """UserError where the file is shorter than the index says; command: of `litemono prepare`, which writes it again."""
        self.file = SharedFile(path, len(pictures.frames) * pictures.picture_bytes, command)
        self.pictures, self.command = pictures, command
        self._rows = {frame: row for row, frame in enumerate(pictures.frames)}

    def has(self, frame: int) -> bool:
        return frame in self._rows

    def read(self, frame: int) -> np.ndarray:
        """(h, w) uint8, uint16 or float32."""
        if not self.has(frame):
            raise UserError(
                f"frame {frame} has no picture in {self.file.path}; pack the split that needs it into the same folder"
            )
        pictures = self.pictures
        values = np.empty(pictures.size, dtype=TYPES[pictures.bits])
        self.file.read_into(values.data, self._rows[frame] * pictures.picture_bytes, frame)
        return values

    def check(self, frame: int) -> str | None:
        """What is wrong with a picture's bytes, if anything."""
        if zlib.crc32(self.read(frame).data) != self.pictures.crc32[self._rows[frame]]:
            mend = f"delete this file and pack again: python -m litemono.prepare {self.command}"
            return f"{self.file.path}: frame {frame} is damaged; {mend}"
        return None
