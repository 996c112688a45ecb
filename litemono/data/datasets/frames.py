"""Any folder of video frames: images at the root (folder ".") or one subfolder for each video.

The frame number is the image's place in the natural order of names. There is one camera, "l", and nothing but images;
without a split list the videos are split here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from litemono.data.datasets.base import Dataset, Layout
from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key in which frame_2 comes before frame_10."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def list_videos(root: Path) -> dict[str, list[str]]:
    """Image names in natural order for each video: "." for images at the root, else the subfolder's name."""
    folders = [".", *sorted((entry.name for entry in os.scandir(root) if entry.is_dir()), key=natural_key)]
    videos = {folder: _images(root / folder) for folder in folders}
    found = {folder: names for folder, names in videos.items() if names}
    if not found:
        raise UserError(
            f"--data_path {root}: no images ({' '.join(sorted(IMAGE_SUFFIXES))}) here or one folder below; "
            "--dataset frames wants the frames of one video, or one folder for each video"
        )
    return found


def _images(folder: Path) -> list[str]:
    names = (e.name for e in os.scandir(folder) if e.is_file() and not e.name.startswith("."))
    return sorted((name for name in names if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES), key=natural_key)


def split_videos(videos: Mapping[str, Sequence[str]], which: str, frame_ids: Sequence[int]) -> list[SplitLine]:
    """Every frame whose neighbours `frame_ids` exist; the last tenth of each video is "val", the rest "train".

    One frame between the parts belongs to neither, so no image is in both.  The validation part has at least one
    whole sample; a video too short for both parts only trains.
    """
    before, after = -min(0, *frame_ids), max(0, *frame_ids)
    sample = before + 1 + after
    lines = []
    for folder, names in videos.items():
        frames = len(names)
        cut = frames - max(sample, frames // 10)
        if cut - 1 < sample:
            cut = frames + 1
        start, stop = (0, cut - 1) if which == "train" else (cut, frames)
        lines += [SplitLine(folder, frame, "l") for frame in range(start + before, stop - after)]
    if not lines:
        raise UserError(
            f"--data_path: the longest video has {max(map(len, videos.values()))} frames; without --split at least one "
            f"needs {2 * sample + 1}, for training, validation and a frame between them"
        )
    return lines


class VideoLayout(Layout):
    """The videos at a root, listed when it is opened."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.videos = list_videos(self.root)

    def place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        if not self.has(folder, frame, side):
            raise UserError(f"frame {frame} {side} of {folder}: {self.missing(folder, frame, side)}")
        return folder, self.videos[folder][frame]

    def has(self, folder: str, frame: int, side: str) -> bool:
        return side == "l" and 0 <= frame < len(self.videos.get(folder, ()))

    def missing(self, folder: str, frame: int, side: str) -> str:
        if side != "l":
            return f"--dataset {FRAMES.name} has one camera: write l in the split, leave out --use_stereo"
        if folder not in self.videos:
            return f"no images in {self.root / folder}"
        return f"{self.root / folder} has frames 0 to {len(self.videos[folder]) - 1}"


class Frames(Dataset):
    """Videos of the user; a folder is a video."""

    name = "frames"
    summary = "any folder of video frames (needs --intrinsics)"
    split_summary = "all frames (last tenth validates)"
    turned_by_exif = True

    def layout(self, root: Path, png: bool) -> VideoLayout:
        return VideoLayout(root)

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        if split is not None:
            return super().lines(root, split, which, frame_ids)
        return split_videos(list_videos(root), which, frame_ids), f"{root} ({which} part)"

    def frames_found(self, root: Path) -> str:
        videos = list_videos(root)
        return f"{sum(map(len, videos.values()))} frames in {len(videos)} videos"

    def remedy(self, folder: str) -> str:
        return "replace the file, or remove it from the video"


FRAMES = Frames()
