"""NYU Depth v2 (Silberman et al. 2012), extracted as BTS and AdaBins do: one folder for each scene, images and aligned depth.

ROOT/kitchen_0028b/rgb_00045.jpg            640x480; .png as well
ROOT/kitchen_0028b/sync_depth_00045.png     16-bit PNG, millimetres, 0 where nothing was measured

Scenes may lie deeper (official_splits/test/kitchen). Without --split, every tenth scene validates.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from litemono.data.datasets.base import EXTENSIONS, Layout, Picture
from litemono.data.datasets.pictures import PictureDataset, PictureKey
from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

IMAGE = re.compile(r"(.+)/rgb_(\d+)\.\w+")
ARCHIVE_TOP = "sync/"  # of the archive that BTS's script fetches
DEEPEST = 3  # folders below the root
EVERY = 10  # of so many scenes one validates


class NyuLayout(Layout):
    """Frames numbered with five digits."""

    def place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        there = self.listing(folder)
        names = [f"rgb_{frame:05d}{extension}" for extension in (*EXTENSIONS[2:], *EXTENSIONS[:2])]
        return folder, next((name for name in names if name in there), names[0])

    def has(self, folder: str, frame: int, side: str) -> bool:
        return side == "l" and self.place(folder, frame, side)[1] in self.listing(folder)

    def missing(self, folder: str, frame: int, side: str) -> str:
        return f"no {self.root / folder / self.place(folder, frame, side)[1]} or .png"


def depth_path(root: Path, folder: str, frame: int, side: str) -> Path:
    return Path(root) / folder / f"sync_depth_{frame:05d}.png"


@lru_cache(maxsize=4)
def scenes(root: Path) -> dict[str, list[int]]:
    """Frame numbers by scene, in order."""
    found: dict[str, list[int]] = {}
    for directory, below, names in os.walk(root):
        folder = os.path.relpath(directory, root)
        if folder.count(os.sep) + 1 >= DEEPEST:
            below.clear()
        numbers = sorted({int(match[2]) for name in names if (match := IMAGE.fullmatch(f"{folder}/{name}"))})
        if numbers:
            found[folder.replace(os.sep, "/")] = numbers
    if not found:
        raise UserError(f"--data_path {root}: no images such as kitchen_0028b/rgb_00045.jpg")
    return dict(sorted(found.items()))


class NyuDepth(PictureDataset):
    """Indoor scenes of one Kinect."""

    name = "nyu"
    summary = "NYU Depth v2, extracted (SCENE/rgb_00045.jpg, SCENE/sync_depth_00045.png)"
    split_summary = "every tenth scene validates"
    pictures = {"depth": Picture(depth_path, 16, "NYU's sync.zip", units_per_metre=1000)}

    def layout(self, root: Path, png: bool) -> NyuLayout:
        return NyuLayout(root)

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        if split is not None:
            return super().lines(root, split, which, frame_ids)
        found = self.scenes(Path(root))
        names = list(found)
        chosen = set(names[EVERY - 1 :: EVERY]) or {names[-1]}
        if len(names) < 2:
            raise UserError(f"--data_path {root}: one scene is too few to validate on another; give --split")
        lines = [
            SplitLine(name, frame, "l")
            for name, frames in found.items()
            if (name in chosen) == (which != "train")
            for frame in frames
        ]
        return lines, f"{root} ({which} scenes)"

    def sample_of_image(self, path: str) -> SplitLine | None:
        match = IMAGE.fullmatch(path)
        return SplitLine(match[1], int(match[2]), "l") if match else None

    def frames_found(self, root: Path) -> str:
        found = self.scenes(Path(root))
        return self.packed_text(root) or f"{sum(map(len, found.values()))} images in {len(found)} scenes"

    def scenes(self, root: Path) -> dict[str, list[int]]:
        """Frame numbers by scene, of images or of a pack."""
        if (packed := self.packed(root)) is None:
            return scenes(root)
        found: dict[str, list[int]] = defaultdict(list)
        for scene, frame in sorted(packed):
            found[scene].append(frame)
        return found

    def arrange(self, names: Sequence[str], where: str) -> dict[PictureKey, dict[str, str]]:
        there = set(names)
        found: dict[PictureKey, dict[str, str]] = {}
        for name in sorted(names):
            if match := IMAGE.fullmatch(name):
                depth = str(depth_path(Path(), match[1], int(match[2]), "l"))
                files = {"image": name, "depth": depth} if depth in there else {"image": name}
                found.setdefault((match[1], int(match[2])), files)
        if not found:
            raise UserError(f"{where} no images such as kitchen_0028b/rgb_00045.jpg")
        return found

    def top(self, names: Sequence[str]) -> str:
        return ARCHIVE_TOP if names and all(name.startswith(ARCHIVE_TOP) for name in names) else ""


NYU = NyuDepth()
