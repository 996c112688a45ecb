"""Any folder of video frames: images at the root (folder ".") or one subfolder for each video.

A frame's number is its file's: 4.jpg is frame 4, frame_00001.png frame 1. Its neighbours t-1 and t+1 are the images
before and after it, so a video may be kept at every third frame. Without a split list the videos are split here, and
then names without a number do as well: frames count from 0 in the natural order of names.

There is one camera, "l", and nothing but images. A video's intrinsics.txt ("fx fy cx cy" in pixels of its images) comes
before --intrinsics; one beside the videos holds for those that have none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from litemono.data.datasets.base import Camera, Dataset, Layout
from litemono.data.splits import MOST_DIGITS, SplitLine
from litemono.utils.atomic_files import may_pass, read_text
from litemono.utils.errors import UserError

CAMERA_FILE = "intrinsics.txt"
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key in which frame_2 comes before frame_10."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def list_videos(root: Path) -> dict[str, list[str]]:
    """Image names in natural order for each video: "." for images at the root, else the subfolder's name."""
    folders = [".", *sorted((entry.name for entry in os.scandir(root) if entry.is_dir()), key=natural_key)]
    videos = {folder: _one_of_each_frame(root / folder) for folder in folders}
    found = {folder: names for folder, names in videos.items() if names}
    if not found:
        raise UserError(
            f"--data_path {root}: no images ({' '.join(sorted(IMAGE_SUFFIXES))}) here or one folder below; "
            "--dataset frames needs the frames of one video, or one folder for each video"
        )
    return found


def images_in(folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> list[str]:
    """Names of a folder's images, hidden ones left out, in natural order.

    A link that leads nowhere is an image too: who reads it names it.
    """
    names = (entry.name for entry in os.scandir(folder) if not entry.is_dir() and not entry.name.startswith("."))
    return sorted((name for name in names if os.path.splitext(name)[1].lower() in suffixes), key=natural_key)


def _one_of_each_frame(folder: Path) -> list[str]:
    found = images_in(folder)
    stems: dict[str, str] = {}
    for name in found:
        other = stems.setdefault(os.path.splitext(name)[0], name)
        if other != name:
            raise UserError(f"{folder}: {other} and {name} are the same frame; remove the files of one kind")
    return found


def file_numbers(names: Sequence[str]) -> list[int] | None:
    """The numbers in a video's file names, which are in natural order; None where the names do not give one to each.

    Of several numbers in a name it is the one that differs between the names, else the last.
    """
    stems = [re.split(r"([0-9]+)", os.path.splitext(name)[0]) for name in names]
    if any(len(parts) < 3 for parts in stems):
        return None
    varying = []
    if len({tuple(parts[::2]) for parts in stems}) == 1:
        varying = [i for i in range(1, len(stems[0]), 2) if len({parts[i] for parts in stems}) > 1]
    texts = [parts[varying[0] if len(varying) == 1 else -2] for parts in stems]
    if max(map(len, texts)) > MOST_DIGITS:
        return None
    numbers = list(map(int, texts))
    return numbers if all(a < b for a, b in zip(numbers, numbers[1:], strict=False)) else None


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


def read_camera(path: Path) -> Camera:
    """(fx, fy, cx, cy) in pixels from a text of four numbers, with spaces or commas between them."""
    try:
        fx, fy, cx, cy = map(float, read_text(path, encoding="utf-8-sig").replace(",", " ").split())
    except (OSError, ValueError) as error:
        if may_pass(error):
            raise
        raise UserError(f"{path}: must hold the four numbers fx fy cx cy, in pixels of the video's images") from None
    return fx, fy, cx, cy


BEYOND = -1  # the number of the image before a video's first one


class VideoLayout(Layout):
    """The videos at a root, listed when it is opened."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.videos = list_videos(self.root)
        self.numbers = {folder: file_numbers(names) or range(len(names)) for folder, names in self.videos.items()}
        self._places = {folder: {n: i for i, n in enumerate(numbers)} for folder, numbers in self.numbers.items()}

    def place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        if not self.has(folder, frame, side):
            raise UserError(f"frame {frame} {side} of {folder}: {self.missing(folder, frame, side)}")
        return folder, self.videos[folder][self._places[folder][frame]]

    def has(self, folder: str, frame: int, side: str) -> bool:
        return side == "l" and frame in self._places.get(folder, ())

    def neighbour(self, folder: str, frame: int, offset: int) -> int:
        """The number of the image `offset` places after this one; BEYOND, which no image has, outside the video."""
        if offset == 0 or not self.has(folder, frame, "l"):
            return frame
        numbers, place = self.numbers[folder], self._places[folder][frame] + offset
        return numbers[place] if 0 <= place < len(numbers) else BEYOND

    def missing(self, folder: str, frame: int, side: str) -> str:
        if side != "l":
            return f"--dataset {FRAMES.name} has one camera: write l in the split, leave out --use_stereo"
        if folder not in self.videos:
            return f"no images in {self.root / folder}"
        numbers = self.numbers[folder]
        what = f"no frame {frame}" if frame != BEYOND else "a sample needs an image beyond the video's ends"
        return f"{what}: {self.root / folder} has frames {numbers[0]} to {numbers[-1]}, {len(numbers)} images"


class Frames(Dataset):
    """Videos of the user; a folder is a video."""

    name = "frames"
    summary = "any folder of video frames (needs --intrinsics)"
    split_summary = "all frames (last tenth validates)"
    turned_by_exif = True
    own_camera_help = f"; each folder may state its own camera as 'fx fy cx cy' in {CAMERA_FILE}"

    def layout(self, root: Path, png: bool) -> VideoLayout:
        return VideoLayout(root)

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        layout = VideoLayout(root)
        if split is None:
            places = split_videos(layout.videos, which, frame_ids)
            lines = [line._replace(frame=layout.numbers[line.folder][line.frame]) for line in places]
            return lines, f"{root} ({which} part)"
        lines, source = super().lines(root, split, which, frame_ids)
        for folder in {line.folder for line in lines} & set(layout.videos):
            if file_numbers(layout.videos[folder]) is None:
                raise UserError(
                    f"{source}: a frame's number is its file's, but the names in {layout.root / folder} (first: "
                    f"{layout.videos[folder][0]}) do not have one number each that counts up; name them 000000.jpg, "
                    "000001.jpg and so on, or leave out --split"
                )
        return lines, source

    def frames_found(self, root: Path) -> str:
        videos = list_videos(root)
        return f"{sum(map(len, videos.values()))} frames in {len(videos)} videos"

    def own_camera(self, root: Path, folder: str) -> Camera | None:
        places = [Path(root) / folder / CAMERA_FILE, Path(root) / CAMERA_FILE]
        path = next((place for place in places if place.is_file()), None)
        return None if path is None else read_camera(path)

    def has_cameras(self, root: Path) -> bool:
        return any(path.is_file() for path in (Path(root) / CAMERA_FILE, *Path(root).glob(f"*/{CAMERA_FILE}")))

    def remedy(self, folder: str) -> str:
        return "replace the file, or remove it from the video"


FRAMES = Frames()
