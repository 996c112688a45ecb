"""Folders of images and of their depth, with the same names: any such pair, ReDWeb, and scikit-image's stereo pair.

ROOT/images/a.jpg, ROOT/depth/a.png                 a pair; depth is a 16-bit PNG, .npy or .pfm
ROOT/images/run_1/a.jpg, ROOT/depth/run_1/a.png     or one folder down, where `folder` of a sample is "run_1"

ROOT/masks/a.png                                    where they are: 8-bit PNG, 0 where the depth is not to be used

A frame's number is its file's, or its place in the natural order of names. Without --split, every tenth image validates.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

from litemono.data.datasets.base import Layout, Picture
from litemono.data.datasets.frames import IMAGE_SUFFIXES, file_numbers, natural_key
from litemono.data.datasets.pictures import PictureDataset, PictureKey
from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

DEPTH_SUFFIXES = (".png", ".npy", ".pfm")
EVERY = 10  # of so many images one validates


class Pair(NamedTuple):
    """A frame's files, below the root."""

    image: str
    depth: str
    """It may not exist."""
    mask: str
    """It may not exist."""


class PairLayout(Layout):
    """The pairs at a root, listed when it is opened."""

    def __init__(self, root: Path, dataset: Pairs) -> None:
        super().__init__(root)
        self.pairs = dataset.pairs(root)

    def place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        directory, _, name = self.pairs[folder, frame].image.rpartition("/")
        return directory, name

    def has(self, folder: str, frame: int, side: str) -> bool:
        return side == "l" and (folder, frame) in self.pairs

    def missing(self, folder: str, frame: int, side: str) -> str:
        numbers = [number for name, number in self.pairs if name == folder]
        there = f"has frames {min(numbers)} to {max(numbers)}" if numbers else "has no such folder"
        return f"no frame {frame} {side} of {folder}: {self.root} {there}"


class Pairs(PictureDataset):
    """Any folder of images with a folder of depth beside it."""

    name = "pairs"
    summary = "any folder pair images/ and depth/ (16-bit PNG with --depth_factor, .npy, .pfm), with masks/ or without"
    split_summary = "every tenth image validates"
    image_folders: ClassVar[tuple[str, ...]] = ("images", "image", "rgb")
    depth_folders: ClassVar[tuple[str, ...]] = ("depth", "depths")
    mask_folders: ClassVar[tuple[str, ...]] = ("masks", "mask", "valid_masks")

    @property
    def folders(self) -> tuple[str, ...]:
        """Names that the folders of images, depth and masks may have."""
        return *self.image_folders, *self.depth_folders, *self.mask_folders

    def layout(self, root: Path, png: bool) -> PairLayout:
        return PairLayout(root, self)

    def pairs(self, root: Path) -> Mapping[PictureKey, Pair]:
        """Files by (folder, frame); UserError where there are no two such folders, or no images."""
        folders = [root / name for name in self.folders]
        changed = tuple(folder.stat().st_mtime_ns for folder in folders if folder.is_dir())
        return _pairs(self, root, changed)

    def arrange(self, names: Sequence[str], where: str) -> dict[PictureKey, dict[str, str]]:
        there, kinds = set(names), ("image", *self.pictures)
        found = _paired(self, names, where)
        return {
            key: {k: name for k, name in zip(kinds, pair, strict=False) if name in there} for key, pair in found.items()
        }

    def top(self, names: Sequence[str]) -> str:
        parts = (name.split("/") for name in names)
        depths = {place for path in parts for place, part in enumerate(path[:-1]) if part in self.image_folders}
        before = {"/".join(name.split("/")[: min(depths)]) for name in names} if depths else set()
        return f"{before.pop()}/" if len(before) == 1 and before != {""} else ""

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        if split is not None:
            return super().lines(root, split, which, frame_ids)
        every = self.samples(Path(root))
        if len(every) < 2:
            raise UserError(f"{root}: 1 image is too few; one to train on and one to validate are needed")
        chosen = set(every[EVERY - 1 :: EVERY]) or {every[-1]}
        return [line for line in every if (line in chosen) == (which != "train")], f"{root} ({which} part)"

    def samples(self, root: Path) -> list[SplitLine]:
        """All there are, of images or of a pack."""
        packed = self.packed(root)
        return [SplitLine(folder, frame, "l") for folder, frame in (self.pairs(root) if packed is None else packed)]

    def frames_found(self, root: Path) -> str:
        if (packed := self.packed_text(root)) is not None:
            return packed
        pairs = self.pairs(root)
        return f"{len(pairs)} images, {sum((root / pair.depth).is_file() for pair in pairs.values())} with depth"

    def remedy(self, folder: str) -> str:
        return "replace the file, or remove it with its depth"


@lru_cache(maxsize=16)
def _pairs(dataset: Pairs, root: Path, changed: tuple[int, ...]) -> dict[PictureKey, Pair]:
    """Read again when the folders have changed: paths are asked for with every sample."""
    there = [name for name in dataset.folders if (root / name).is_dir()]
    names: list[str] = []
    for top in there:
        for entry in sorted(os.scandir(root / top), key=lambda entry: entry.name):
            if entry.is_dir():
                names += [f"{top}/{entry.name}/{name}" for name in os.listdir(entry.path)]
            else:
                names.append(f"{top}/{entry.name}")
    return _paired(dataset, names, f"--data_path {root}:", there)


def _paired(
    dataset: Pairs, names: Sequence[str], where: str, tops: Collection[str] | None = None
) -> dict[PictureKey, Pair]:
    """Files by (folder, frame), of names below a root. tops: the folders there, also empty ones. where: for messages."""
    tops = {name.split("/")[0] for name in names} if tops is None else tops
    images, depth = (_one_of(tops, folders, where) for folders in (dataset.image_folders, dataset.depth_folders))
    masks = next((name for name in dataset.mask_folders if name in tops), dataset.mask_folders[0])
    by_directory: dict[str, list[str]] = defaultdict(list)
    for name in names:
        directory, _, file = name.rpartition("/")
        by_directory[directory].append(file)
    inside = (directory.split("/") for directory in by_directory)
    below = sorted((parts[1] for parts in inside if len(parts) == 2 and parts[0] == images), key=natural_key)
    pairs = {}
    for folder in (".", *below):
        place = {top: top if folder == "." else f"{top}/{folder}" for top in (images, depth, masks)}
        files = sorted((n for n in by_directory[place[images]] if _suffix(n) in IMAGE_SUFFIXES), key=natural_key)
        of_depth = {
            os.path.splitext(n)[0]: n for n in sorted(by_directory[place[depth]]) if _suffix(n) in DEPTH_SUFFIXES
        }
        numbers = (file_numbers(files) if files else None) or range(len(files))
        for number, file in zip(numbers, files, strict=True):
            stem = os.path.splitext(file)[0]
            truth = of_depth.get(stem, f"{stem}{DEPTH_SUFFIXES[0]}")
            pairs[folder, number] = Pair(
                f"{place[images]}/{file}", f"{place[depth]}/{truth}", f"{place[masks]}/{stem}.png"
            )
    if not pairs:
        raise UserError(f"{where} no images ({' '.join(sorted(IMAGE_SUFFIXES))}) in {images} or one folder below")
    return pairs


def _one_of(there: Collection[str], names: Sequence[str], where: str) -> str:
    found = next((name for name in names if name in there), None)
    if found is None:
        raise UserError(f"{where} has no folder {' or '.join(names)}")
    return found


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def depth_of(dataset: Pairs, archive: str, **settings: object) -> Picture:
    """The depth of a data set of pairs."""

    def path(root: Path, folder: str, frame: int, side: str) -> Path:
        return root / dataset.pairs(Path(root))[folder, frame].depth

    return Picture(path, 16, archive, **settings)  # type: ignore[arg-type]


def mask_of(dataset: Pairs) -> Picture:
    """Where the depth of a data set of pairs is to be used."""

    def path(root: Path, folder: str, frame: int, side: str) -> Path:
        return root / dataset.pairs(Path(root))[folder, frame].mask

    return Picture(path, 8, "its masks")


class ReDWeb(Pairs):
    """ReDWeb V1 (Xian et al. 2018): web stereo pictures with relative inverse depth."""

    name = "redweb"
    summary = "ReDWeb (Imgs/, RDs/)"
    image_folders, depth_folders = ("Imgs",), ("RDs",)


class Motorcycle(Pairs):
    """scikit-image's real stereo pair (Middlebury 2014), written by `litemono.prepare motorcycle`: one frame for both parts."""

    name = "motorcycle"
    summary = "one real picture with metric depth (python -m litemono.prepare motorcycle)"
    split_summary = "its one picture trains and validates"

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        if split is not None:
            return super().lines(root, split, which, frame_ids)
        return self.samples(Path(root)), f"{root} (all)"


PAIRS, REDWEB, MOTORCYCLE = Pairs(), ReDWeb(), Motorcycle()
Pairs.pictures = {"depth": depth_of(PAIRS, "its depth", units_per_metre=1, any_bits=True), "mask": mask_of(PAIRS)}
ReDWeb.pictures = {"depth": depth_of(REDWEB, "ReDWeb_V1.tar.gz", units_per_metre=1, depth_is="relative")}
Motorcycle.pictures = {"depth": depth_of(MOTORCYCLE, "its depth", units_per_metre=1)}
