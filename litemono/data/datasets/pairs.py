"""Folders of images and of their depth, with the same names: any such pair, ReDWeb, and scikit-image's stereo pair.

ROOT/images/a.jpg, ROOT/depth/a.png                 a pair; depth is a 16-bit PNG, .npy or .pfm
ROOT/images/run_1/a.jpg, ROOT/depth/run_1/a.png     or one folder down, where `folder` of a sample is "run_1"

A frame's number is its file's, or its place in the natural order of names. Without --split, every tenth image validates.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

from litemono.data.datasets.base import Dataset, Layout, Picture
from litemono.data.datasets.frames import IMAGE_SUFFIXES, file_numbers, natural_key
from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

DEPTH_SUFFIXES = (".png", ".npy", ".pfm")
EVERY = 10  # of so many images one validates


class Pair(NamedTuple):
    """A frame's files, below the root."""

    image: str
    depth: str
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


class Pairs(Dataset):
    """Any folder of images with a folder of depth beside it."""

    name = "pairs"
    video = False
    summary = "any folder pair images/ and depth/ (16-bit PNG with --depth_factor, .npy, .pfm)"
    split_summary = "every tenth image validates"
    image_folders: ClassVar[tuple[str, ...]] = ("images", "image", "rgb")
    depth_folders: ClassVar[tuple[str, ...]] = ("depth", "depths")

    def layout(self, root: Path, png: bool) -> PairLayout:
        return PairLayout(root, self)

    def pairs(self, root: Path) -> Mapping[tuple[str, int], Pair]:
        """Files by (folder, frame); UserError where there are no two such folders, or no images."""
        images, depth = (_one_of(root, names) for names in (self.image_folders, self.depth_folders))
        changed = tuple(folder.stat().st_mtime_ns for folder in (root / images, root / depth))
        return _pairs(root, images, depth, changed)

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        if split is not None:
            return super().lines(root, split, which, frame_ids)
        every = [SplitLine(folder, frame, "l") for folder, frame in self.pairs(root)]
        if len(every) < 2:
            raise UserError(f"{root}: 1 image is too few; one to train on and one to validate are needed")
        chosen = set(every[EVERY - 1 :: EVERY]) or {every[-1]}
        return [line for line in every if (line in chosen) == (which != "train")], f"{root} ({which} part)"

    def frames_found(self, root: Path) -> str:
        pairs = self.pairs(root)
        return f"{len(pairs)} images, {sum((root / pair.depth).is_file() for pair in pairs.values())} with depth"

    def remedy(self, folder: str) -> str:
        return "replace the file, or remove it with its depth"


def _one_of(root: Path, names: Sequence[str]) -> str:
    found = next((name for name in names if (root / name).is_dir()), None)
    if found is None:
        raise UserError(f"--data_path {root}: has no folder {' or '.join(names)}")
    return found


@lru_cache(maxsize=16)
def _pairs(root: Path, images: str, depth: str, changed: tuple[int, ...]) -> dict[tuple[str, int], Pair]:
    """Read again when the folders have changed: paths are asked for with every sample."""
    entries = [entry.name for entry in os.scandir(root / images) if entry.is_dir()]
    pairs = {}
    for folder in (".", *sorted(entries, key=natural_key)):
        below = "" if folder == "." else f"{folder}/"
        names = sorted(
            (name for name in os.listdir(root / images / folder) if _suffix(name) in IMAGE_SUFFIXES), key=natural_key
        )
        if not names:
            continue
        of_depth = _depth_by_stem(root / depth / folder)
        for number, name in zip(file_numbers(names) or range(len(names)), names, strict=True):
            stem = os.path.splitext(name)[0]
            truth = of_depth.get(stem, f"{stem}{DEPTH_SUFFIXES[0]}")
            pairs[folder, number] = Pair(f"{images}/{below}{name}", f"{depth}/{below}{truth}")
    if not pairs:
        raise UserError(
            f"--data_path {root}: no images ({' '.join(sorted(IMAGE_SUFFIXES))}) in {images} or one folder below"
        )
    return pairs


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _depth_by_stem(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    return {os.path.splitext(name)[0]: name for name in sorted(os.listdir(folder)) if _suffix(name) in DEPTH_SUFFIXES}


def depth_of(dataset: Pairs, archive: str, **settings: object) -> Picture:
    """The depth of a data set of pairs."""

    def path(root: Path, folder: str, frame: int, side: str) -> Path:
        return root / dataset.pairs(Path(root))[folder, frame].depth

    return Picture(path, 16, archive, **settings)  # type: ignore[arg-type]


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
        return [SplitLine(folder, frame, "l") for folder, frame in self.pairs(root)], f"{root} (all)"


PAIRS, REDWEB, MOTORCYCLE = Pairs(), ReDWeb(), Motorcycle()
Pairs.pictures = {"depth": depth_of(PAIRS, "its depth", units_per_metre=1)}
ReDWeb.pictures = {"depth": depth_of(REDWEB, "ReDWeb_V1.tar.gz", units_per_metre=1, depth_is="relative")}
Motorcycle.pictures = {"depth": depth_of(MOTORCYCLE, "its depth", units_per_metre=1)}
