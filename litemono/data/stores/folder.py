"""Frame stores: where a (folder, frame, side) becomes pixels at the training size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from litemono.data import kitti
from litemono.data.stores import packed, video
from litemono.data.stores.images import NOT_AN_IMAGE, to_rgb, unreadable, upright
from litemono.utils.atomic_files import may_pass
from litemono.utils.errors import UserError


class FrameStore(Protocol):
    """What the triplet pipeline needs of a store.  Stores are read-only; several threads read at the same time.

    A store of dataset "frames" also has `videos`: folder -> its frames in order, to make a split from.
    """

    dataset: str  # "kitti", "kitti_odom" or "frames"
    root: Path  # calibration files and velodyne scans lie below it in KITTI's layout
    height: int
    width: int
    holds_originals: bool  # whether `read` decodes and resizes

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        """(height, width, 3) uint8 RGB, Lanczos-resized straight from the original size."""

    def read_planes(self, folder: str, frame: int, side: str, planes: np.ndarray) -> None:
        """Write the same pixels into `planes`, (3, height, width) uint8."""

    def has(self, folder: str, frame: int, side: str) -> bool:
        """Whether the frame is there; cheap enough for every line of a split."""

    def read_original(self, folder: str, frame: int, side: str) -> np.ndarray:
        """(h, w, 3) uint8 RGB from which resample.resize makes what `read` gives; only where `holds_originals`."""

    def native_size(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        """(height, width) of the original image."""

    def missing(self, folder: str, frame: int, side: str) -> str:
        """For a frame it has not: where it was looked for and, if the store can tell, what to change."""


def open_store(dataset: str, root: Path | str, png: bool, height: int, width: int) -> FrameStore:
    """The store that fits what lies at `root`."""
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"--data_path {root}: there is no such folder")
    if dataset == "frames":
        return VideoStore(root, height, width)
    if packed.is_pack(root):
        return packed.PackedStore(dataset, root, height, width)
    return FolderStore(dataset, root, ".png" if png else ".jpg", height, width)


def resized(image: Image.Image, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8, read-only: the one resize of the published pipeline's full-size RGB image."""
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


class FolderStore:
    """Images of KITTI raw or odometry on disk."""

    holds_originals = True

    def __init__(self, dataset: str, root: Path, extension: str, height: int, width: int) -> None:
        self.dataset, self.root, self.extension = dataset, Path(root), extension
        self.height, self.width = height, width
        self._listings: dict[str, frozenset[str]] = {}

    def path(self, folder: str, frame: int, side: str) -> Path:
        """Where the frame's image should be."""
        return kitti.frame_path(self.root, self.dataset, folder, frame, side, self.extension)

    def has(self, folder: str, frame: int, side: str) -> bool:
        directory, stem = kitti.frame_place(self.dataset, folder, frame, side)
        return stem + self.extension in self._listing(directory)

    def missing(self, folder: str, frame: int, side: str) -> str:
        directory, stem = kitti.frame_place(self.dataset, folder, frame, side)
        text = f"no {self.root / directory / stem}{self.extension}"
        if self.extension == ".jpg" and f"{stem}.png" in self._listing(directory):
            return f"{text}, but a .png: add --png"
        if self.extension == ".png" and f"{stem}.jpg" in self._listing(directory):
            return f"{text}, but a .jpg: leave out --png"
        return text

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        with self._open(folder, frame, side) as image:
            return resized(image, self.height, self.width)

    def read_original(self, folder: str, frame: int, side: str) -> np.ndarray:
        with self._open(folder, frame, side) as image:
            if image.width <= self.width:  # which axis Pillow enlarges first depends on its version
                return resized(image, self.height, self.width)
            return np.asarray(image)

    def read_planes(self, folder: str, frame: int, side: str, planes: np.ndarray) -> None:
        planes[:] = self.read(folder, frame, side).transpose(2, 0, 1)

    def native_size(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        with self._open(folder, frame, side, decode=False) as image:
            return image.height, image.width

    def _open(self, folder: str, frame: int, side: str, decode: bool = True) -> Image.Image:
        path = self.path(folder, frame, side)
        try:
            image = Image.open(path)
            return self._upright(to_rgb(image) if decode else image)
        except FileNotFoundError:
            raise UserError(f"frame {frame} {side} of {folder}: {self.missing(folder, frame, side)}") from None
        except NOT_AN_IMAGE as error:
            if may_pass(error):
                raise
            raise unreadable(path, error, self._remedy(folder)) from None

    def _upright(self, image: Image.Image) -> Image.Image:
        return image  # KITTI's are

    def _remedy(self, folder: str) -> str:
        archives = kitti.drive_archives(self.dataset, {folder})
        return f"extract it again from {archives[0]}" if archives else "replace the file"

    def _listing(self, directory: str) -> frozenset[str]:
        """Names in a directory, read once: a split has 40,000 lines but few directories."""
        if directory not in self._listings:
            try:
                self._listings[directory] = frozenset(os.listdir(self.root / directory))
            except (FileNotFoundError, NotADirectoryError):
                self._listings[directory] = frozenset()
        return self._listings[directory]


class VideoStore(FolderStore):
    """Any folder of video frames: images at the root (folder ".") or one subfolder per video.

    The frame number is the image's place in the natural order of names.  There is one camera, "l".
    """

    def __init__(self, root: Path, height: int, width: int) -> None:
        super().__init__("frames", root, "", height, width)
        self.videos = video.list_videos(self.root)

    def path(self, folder: str, frame: int, side: str) -> Path:
        if not self.has(folder, frame, side):
            raise UserError(f"frame {frame} {side} of {folder}: {self.missing(folder, frame, side)}")
        return self.root / folder / self.videos[folder][frame]

    def has(self, folder: str, frame: int, side: str) -> bool:
        return side == "l" and 0 <= frame < len(self.videos.get(folder, ()))

    def missing(self, folder: str, frame: int, side: str) -> str:
        if side != "l":
            return "--dataset frames has one camera: write l in the split, leave out --use_stereo"
        if folder not in self.videos:
            return f"no images in {self.root / folder}"
        return f"{self.root / folder} has frames 0 to {len(self.videos[folder]) - 1}"

    def native_size(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        with self._open(folder, frame, side) as image:
            return image.height, image.width

    def _upright(self, image: Image.Image) -> Image.Image:
        return upright(image)

    def _remedy(self, folder: str) -> str:
        return "replace the file, or remove it from the video"
