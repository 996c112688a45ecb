"""Frames as image files: at their original size, and resized as they are read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from litemono.data.datasets import registry
from litemono.data.datasets.base import Dataset, PackableDataset, Size
from litemono.data.datasets.pictures import PictureDataset
from litemono.data.fit import Fit
from litemono.data.stores import packed, packed_index
from litemono.data.stores.arrays import picture_of, read_picture
from litemono.data.stores.base import FrameStore, SizedStore
from litemono.data.stores.headers import BadFile, image_size
from litemono.data.stores.images import NOT_AN_IMAGE, check_pixels, stated_factor, to_rgb, unreadable
from litemono.data.stores.picture_index import is_picture_pack
from litemono.data.stores.picture_pack import PicturePack
from litemono.utils.atomic_files import may_pass
from litemono.utils.errors import UserError


def open_store(dataset: str, root: Path | str, png: bool, height: int, width: int) -> SizedStore:
    """The frames at `root` at one size; a pack must have been made at it. dataset: the value of --dataset."""
    store = open_originals(dataset, root, png)
    if not isinstance(store, FolderStore):
        store.check_size(height, width)
        return store
    return ResizedStore(store, height, width)


def stage(store: SizedStore | FrameStore, flag: str | None) -> None:
    """Let a pack be read from the node's own disk; flag: the value of --stage. UserError for a folder of images."""
    if flag is None:
        return
    if isinstance(store, PicturePack):
        raise UserError("--stage: copies packs of drives, and this is a pack of single pictures; leave the flag out")
    if not isinstance(store, packed.PackedStore):
        raise UserError(
            "--stage: copies a pack, and --data_path is a folder of images; leave the flag out, or pack them "
            "(python -m litemono.prepare pack --help) and give the pack"
        )
    store.stage(flag)


def open_originals(dataset: str, root: Path | str, png: bool) -> FolderStore | packed.PackedStore | PicturePack:
    """The frames at `root` as they are stored: image files, or a pack at whatever size it was made."""
    kind, root = registry.get(dataset), Path(root)
    if not root.is_dir():
        raise UserError(f"--data_path {root}: there is no such folder; {registry.ways_to_data(dataset)}")
    if isinstance(kind, PackableDataset) and packed_index.is_pack(root):
        return packed.PackedStore(kind, root)
    if isinstance(kind, PictureDataset) and is_picture_pack(root):
        return PicturePack(kind, root)
    return FolderStore(kind, root, png)


def resized(image: Image.Image, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8, read-only: the one resize of the published pipeline's full-size RGB image."""
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


class FolderStore:
    """A data set's images on disk, in the layout that the data set gives."""

    lossy = ""

    def __init__(self, dataset: Dataset, root: Path, png: bool) -> None:
        self.dataset, self.root = dataset, Path(root)
        self.layout = dataset.layout(self.root, png)

    def path(self, folder: str, frame: int, side: str) -> Path:
        """Where the frame's image should be."""
        directory, name = self.layout.place(folder, frame, side)
        return self.root / directory / name

    def stem(self, folder: str, frame: int, side: str) -> str:
        directory, name = self.layout.place(folder, frame, side)
        return f"{directory}/{os.path.splitext(name)[0]}"

    def has(self, folder: str, frame: int, side: str) -> bool:
        return self.layout.has(folder, frame, side)

    def missing(self, folder: str, frame: int, side: str) -> str:
        return self.layout.missing(folder, frame, side)

    def neighbour(self, folder: str, frame: int, offset: int) -> int:
        return self.layout.neighbour(folder, frame, offset)

    def look(self, folder: str, frame: int, side: str) -> Size:
        if not self.has(folder, frame, side):
            raise UserError(self.missing(folder, frame, side))
        path = self.path(folder, frame, side)
        try:
            return image_size(path, self.dataset.turned_by_exif)
        except BadFile as error:
            raise UserError(f"{path}: {error}; {self.dataset.remedy(folder)}") from None

    def image(self, folder: str, frame: int, side: str) -> Image.Image:
        """The frame in 8-bit RGB, upright: `read` without Pillow's copy into an array."""
        return self._open(folder, frame, side, decode=True)

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        with self.image(folder, frame, side) as image:
            return np.asarray(image)

    def read_array(self, kind: str, folder: str, frame: int, side: str) -> np.ndarray:
        return read_picture(self.dataset, self.root, kind, folder, frame, side)

    def array_path(self, kind: str, folder: str, frame: int, side: str) -> Path:
        return picture_of(self.dataset, kind).path(self.root, folder, frame, side)

    def has_array(self, kind: str, folder: str, frame: int, side: str) -> bool:
        return os.path.lexists(self.array_path(kind, folder, frame, side))

    def array_place(self, kind: str, folder: str, frame: int, side: str) -> str:
        return str(self.array_path(kind, folder, frame, side))

    def stated_factor(self, folder: str, frame: int, side: str) -> str | None:
        return stated_factor(self.array_path("depth", folder, frame, side))

    def read_fitted(self, folder: str, frame: int, side: str, window: Fit, planes: np.ndarray) -> None:
        with self.image(folder, frame, side) as image:
            planes[:] = window.image(image).transpose(2, 0, 1)

    def native_size(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        # The turn that an EXIF note asks for needs the whole file, a size without it the header alone.
        with self._open(folder, frame, side, decode=self.dataset.turned_by_exif) as image:
            return image.height, image.width

    def _open(self, folder: str, frame: int, side: str, decode: bool) -> Image.Image:
        path = self.path(folder, frame, side)
        try:
            image: Image.Image = Image.open(path)
            check_pixels(image)
            return to_rgb(image, self.dataset.turned_by_exif) if decode else image
        except FileNotFoundError:
            raise UserError(f"frame {frame} {side} of {folder}: {self.missing(folder, frame, side)}") from None
        except NOT_AN_IMAGE as error:
            if may_pass(error):
                raise
            raise unreadable(path, error, self.dataset.remedy(folder)) from None


class ResizedStore:
    """A FolderStore's frames at one size; everything but the images is the store's own."""

    holds_originals, lossy = True, ""

    def __init__(self, store: FolderStore, height: int, width: int) -> None:
        self.store, self.height, self.width = store, height, width
        self.dataset, self.root = store.dataset, store.root
        self.path, self.has, self.missing = store.path, store.has, store.missing
        self.look, self.neighbour = store.look, store.neighbour
        self.native_size, self.read_array = store.native_size, store.read_array
        self.has_array, self.array_path, self.array_place = store.has_array, store.array_path, store.array_place
        self.read_fitted, self.stem, self.stated_factor = store.read_fitted, store.stem, store.stated_factor

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        with self.store.image(folder, frame, side) as image:
            return resized(image, self.height, self.width)

    def read_original(self, folder: str, frame: int, side: str) -> np.ndarray:
        with self.store.image(folder, frame, side) as image:
            if image.width <= self.width:  # which axis Pillow enlarges first depends on its version
                return resized(image, self.height, self.width)
            return np.asarray(image)

    def read_planes(self, folder: str, frame: int, side: str, planes: np.ndarray) -> None:
        planes[:] = self.read(folder, frame, side).transpose(2, 0, 1)
