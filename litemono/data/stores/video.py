"""Folders of video frames: which images form a video, and a split when the user gives none."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from litemono.data.kitti import SplitLine
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
