"""Pictures of a background and of the same background with a figure in front, with the figure's mask and the depth.

ROOT/bg/img_012.jpg               background 12: the last number in the name
ROOT/fgbg/fg003_bg012_07.jpg      figure 3 in front of background 12, variant 7
ROOT/mask/fg003_bg012_07.jpg      white where the figure is
ROOT/depth/fg003_bg012_07.jpg     one channel

A sample is ("fg003_bg012", 7, "l"). Each of the four may also be a zip (bg.zip and so on; stores/composites.py). The split is by
background, so that no background is in both parts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from litemono.data.datasets.base import Dataset, Layout
from litemono.data.datasets.frames import IMAGE_SUFFIXES
from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

BACKGROUNDS, PICTURES, MASKS, DEPTHS = KINDS = ("bg", "fgbg", "mask", "depth")
NAME = re.compile(r"(fg\d{1,9}_bg(\d{1,9}))_(\d{1,9})")
LAST_NUMBER = re.compile(r"(\d{1,9})\D*$")
VAL_SHARE, SPLIT_SEED = 0.3, 0


def by_stem(names: Iterable[str], where: str) -> dict[str, str]:
    """Image files by the name without folder and extension. UserError for two of one stem."""
    found: dict[str, str] = {}
    for name in sorted(names):
        stem, suffix = os.path.splitext(name.rpartition("/")[2])
        if stem.startswith(".") or suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if stem in found:
            raise UserError(f"{where}: {found[stem]} and {name} are two files for one picture; remove one of them")
        found[stem] = name
    return found


def sample_of(stem: str, where: str) -> SplitLine:
    """The sample of a picture's name; UserError for a name that is none."""
    match = NAME.fullmatch(stem)
    if match is None:
        raise UserError(f"{where}/{stem}: pictures are called fgNNN_bgNNN_NN (figure, background, variant); rename it")
    return SplitLine(match[1], int(match[3]), "l")


def background_of(line: SplitLine) -> int:
    """Number of a sample's background."""
    return int(line.folder.rpartition("_bg")[2])


def samples(stems: Iterable[str], where: str) -> dict[SplitLine, str]:
    """Stem of each sample, in the order of figure, background and variant. UserError for two names of one sample."""
    found: dict[SplitLine, str] = {}
    for stem in sorted(stems):
        other = found.setdefault(sample_of(stem, where), stem)
        if other != stem:
            raise UserError(f"{where}: {other} and {stem} have the same numbers; remove one of them")
    return found


def backgrounds(files: Mapping[str, str], where: str) -> dict[int, str]:
    """File of each background by its number. files: by stem."""
    found: dict[int, str] = {}
    for stem, name in files.items():
        match = LAST_NUMBER.search(stem)
        if match is None:
            raise UserError(
                f"{where}: the background {name.rpartition('/')[2]} has no number in its name, such as img_012.jpg; rename it"
            )
        other = found.setdefault(int(match[1]), name)
        if other != name:
            raise UserError(f"{where}: {other} and {name} are both background {int(match[1])}; rename one of them")
    return found


def split_by_background(
    lines: Sequence[SplitLine], which: str, share: float = VAL_SHARE, seed: int = SPLIT_SEED
) -> list[SplitLine]:
    """The "train" part of the samples, or the held-out part: all samples of a `share` of the backgrounds.

    Which backgrounds these are is a function of their numbers and the seed. UserError where a part would be empty.
    """
    numbers = sorted({background_of(line) for line in lines})
    if len(numbers) < 2:
        raise UserError(
            f"the pictures have {len(numbers)} background{'s' * (len(numbers) != 1)}, and none may be in both parts: the "
            "validation part would be empty; give pictures of at least 2 backgrounds"
        )
    held_out = min(max(round(share * len(numbers)), 1), len(numbers) - 1)
    keys = np.random.Philox(key=np.array([seed % 2**64, 0], np.uint64)).random_raw(len(numbers))
    chosen = {numbers[place] for place in np.argsort(keys, kind="stable")[:held_out]}
    return [line for line in lines if (background_of(line) in chosen) == (which != "train")]


class CompositeLayout(Layout):
    """The pictures in ROOT/fgbg, listed when they are first asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        files = by_stem(self.listing(PICTURES), f"{root}/{PICTURES}")
        self.files = {line: files[stem] for line, stem in samples(files, f"{root}/{PICTURES}").items()}

    def place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        return PICTURES, self.files[SplitLine(folder, frame, side)]

    def has(self, folder: str, frame: int, side: str) -> bool:
        return SplitLine(folder, frame, side) in self.files

    def missing(self, folder: str, frame: int, side: str) -> str:
        return f"no {self.root / PICTURES / f'{folder}_{frame:02d}'}.jpg or .png"


class Composites(Dataset):
    """Figures in front of backgrounds."""

    name = "composites"
    summary = (
        "backgrounds, and figures in front of them with mask and depth (bg/, fgbg/, mask/, depth/; litemono segment)"
    )
    split_summary = "the samples of 30 % of the backgrounds validate"
    video = False
    trained_by = "litemono.segment"

    def layout(self, root: Path, png: bool) -> CompositeLayout:
        return CompositeLayout(root)

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        if split is not None:
            return super().lines(root, split, which, frame_ids)
        return split_by_background([*self.layout(root, False).files], which), f"{root} ({which} part)"

    def frames_found(self, root: Path) -> str:
        lines = self.layout(root, False).files
        return f"{len(lines)} pictures of {len({background_of(line) for line in lines})} backgrounds"


COMPOSITES = Composites()
