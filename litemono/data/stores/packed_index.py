"""The index of a pack: packed.json, which names every drive, camera, frame and picture in it, with their checksums."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from litemono.data.datasets.base import PackableDataset
from litemono.data.stores import index_file
from litemono.data.stores.drive_maps import Pictures
from litemono.data.stores.index_file import are_counts, damage_explained

INDEX_FILE = "packed.json"
FORMAT = "litemono packed frames 1"
PackedFit = Literal["stretch", "kb_crop"]


@dataclass
class Camera:
    """Frames of one camera of one drive, in the order of its file."""

    native_size: tuple[int, int]  # (height, width) of the original images
    frames: list[int] = field(default_factory=list)
    crc32: list[int] = field(default_factory=list)
    pictures: dict[str, Pictures] = field(default_factory=dict)  # by kind, "depth" or "mask"
    jpeg_bytes: list[int] = field(default_factory=list)  # of each frame; [] in a lossless pack


@dataclass
class Drive:
    """What is packed of one drive."""

    cameras: dict[str, Camera] = field(default_factory=dict)  # by side, "l" or "r"
    scans: list[int] = field(default_factory=list)
    no_scans: list[int] = field(default_factory=list)  # frames whose scan the archive does not have


@dataclass
class PackIndex:
    """The index file."""

    dataset: str  # its name
    height: int
    width: int
    drives: dict[str, Drive] = field(default_factory=dict)
    fit: PackedFit = "stretch"
    """How the frames came to this size, see data/fit.py."""
    jpeg: int | None = None
    """Quality of frames that are stored as JPEGs; None: as they are."""

    @property
    def frame_bytes(self) -> int:
        """Of a frame that is decoded."""
        return 3 * self.height * self.width

    def lengths(self, camera: Camera) -> list[int]:
        """Bytes of each frame in the camera's file."""
        return [self.frame_bytes] * len(camera.frames) if self.jpeg is None else camera.jpeg_bytes

    def file_bytes(self, camera: Camera | None) -> int:
        """Of all frames in the camera's file."""
        return 0 if camera is None else sum(self.lengths(camera))

    @property
    def size(self) -> str:
        """As --size takes it."""
        return f"{self.width}x{self.height}"


def is_pack(root: Path | str) -> bool:
    return (Path(root) / INDEX_FILE).is_file()


def frames_file(root: Path, dataset: PackableDataset, folder: str, side: str) -> Path:
    """The packed frames of one camera."""
    return Path(root) / f"{dataset.camera_place(folder, side)}.bin"


def read_index(root: Path | str) -> PackIndex:
    """Raises UserError where it is damaged."""
    path = Path(root) / INDEX_FILE
    again = "delete it and pack this folder again: python -m litemono.prepare pack --from ZIPS_OR_FOLDER --output DIR"
    with damage_explained(f"{path}: not an index of packed frames", again):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        drives = {folder: _drive(entry) for folder, entry in content.pop("drives").items()}
        index = PackIndex(drives=drives, **content)
        if not (isinstance(index.dataset, str) and are_counts([index.height, index.width], least=1)):
            raise ValueError("its size or data set is not one")
        if index.fit not in get_args(PackedFit):
            raise ValueError("its fit is not one")
        if not (index.jpeg is None or type(index.jpeg) is int and 1 <= index.jpeg <= 100):
            raise ValueError("its JPEG quality is not one")
        for drive in index.drives.values():
            for camera in drive.cameras.values():
                if len(camera.jpeg_bytes) != (0 if index.jpeg is None else len(camera.frames)):
                    raise ValueError("frames and lengths of JPEGs differ in number")
        return index


def _drive(entry: dict) -> Drive:
    cameras = {side: Camera(**camera) for side, camera in entry["cameras"].items()}
    lists = [entry["scans"], entry["no_scans"]]
    for camera in cameras.values():
        camera.pictures = {kind: Pictures(**pictures) for kind, pictures in camera.pictures.items()}  # type: ignore[arg-type]
        for pictures in camera.pictures.values():
            if len(pictures.frames) != len(pictures.crc32) or not are_counts(pictures.size, least=1):
                raise ValueError("pictures and checksums differ in number, or their size is not one")
            pictures.size = (pictures.size[0], pictures.size[1])
            lists += [pictures.frames, pictures.crc32, pictures.absent]
        if len(camera.frames) != len(camera.crc32):
            raise ValueError("frames and checksums differ in number")
        if len(camera.native_size) != 2 or not are_counts(camera.native_size, least=1):
            raise ValueError("the size of the original images is not one")
        camera.native_size = (camera.native_size[0], camera.native_size[1])
        lists += [camera.frames, camera.crc32, camera.jpeg_bytes]
    if not all(isinstance(numbers, list) and are_counts(numbers) for numbers in lists):
        raise ValueError("its frames, scans or checksums are not lists of numbers")
    return Drive(cameras, entry["scans"], entry["no_scans"])


def write_index(root: Path, index: PackIndex) -> None:
    """Replace the index at once; everything it names must be on the disk already."""
    index_file.write(root / INDEX_FILE, FORMAT, index)
