"""Split lists: which frames are samples, one line "folder frame side" each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from litemono.utils.atomic_files import may_pass, read_text
from litemono.utils.errors import UserError, reason

SPLITS = Path(__file__).resolve().parents[2] / "splits"
OTHER_SIDE = {"l": "r", "r": "l"}


class SplitLine(NamedTuple):
    """One sample: the target frame of a folder (a drive, a sequence, a video: the data set says which)."""

    folder: str
    frame: int
    side: str  # "l" or "r"

    def __str__(self) -> str:
        return f"{self.folder} {self.frame} {self.side}"


FrameName = tuple[str, int, str]  # folder, frame, side
LONGEST_NAME, LONGEST_FOLDER = (
    255,
    1024,
)  # bytes; a file system takes 255 for a name, and the file's path has more parts
WITHOUT_TRUTH = SPLITS / "benchmark"  # KITTI keeps the ground truth of its test images to itself
MOST_DIGITS = 19  # a time stamp in nanoseconds


def sample_frames(
    line: SplitLine,
    frame_ids: Sequence[int],
    use_stereo: bool,
    neighbour: Callable[[str, int, int], int] = lambda folder, frame, offset: frame + offset,
) -> list[FrameName]:
    """The frames of a sample: those at `frame_ids` from its target, then the other camera's of its target.

    neighbour: the store's, (folder, frame, offset) -> frame number.
    """
    frames = [(line.folder, neighbour(line.folder, line.frame, i), line.side) for i in frame_ids]
    return [*frames, (line.folder, line.frame, OTHER_SIDE[line.side])] if use_stereo else frames


def find_split(split: str) -> Path | None:
    """The folder of a split that is named in splits/ or given by its path."""
    named, given = SPLITS / split, Path(split)
    if named.parent == SPLITS and named.is_dir():
        return named
    return Path(os.path.abspath(given)) if split and given.is_dir() else None


def split_file(split: str, which: str) -> Path:
    """Path of `which` ("train", "val", "test") of a split named in splits/ or given as a folder."""
    folder = find_split(split)
    name = f"{which}_files.txt"
    if folder is not None and (folder / name).is_file():
        return folder / name
    if folder is not None and (listed := _list_with_truth(folder, which)):
        return listed
    hidden = {WITHOUT_TRUTH} if which == "test" else set()
    known = ", ".join(sorted(f.parent.name for f in SPLITS.glob(f"*/{name}") if f.parent not in hidden))
    problem = f"{folder} has no {name}" if folder else f"no split and no folder '{split}'"
    raise UserError(f"--split {split}: {problem}; splits with {name}: {known}; or give a folder that holds one")


def _list_with_truth(folder: Path, which: str) -> Path | None:
    """The list of BTS and AdaBins, such as eigen_train_files_with_gt.txt. They validate on the test images."""
    names = (which, "test") if which == "val" else (which,)
    found = (path for name in names for path in sorted(folder.glob(f"*{name}_files_with_gt.txt")))
    return next(found, None)


OfImage = Callable[[str], SplitLine | None]


def read_split(path: Path | str, of_image: OfImage = lambda image: None) -> list[SplitLine]:
    """Lines "folder frame side"; a missing side means left, and the folder may contain spaces.

    Or lines "image depth focal" of BTS and AdaBins, where of_image gives the image's sample; the sample's depth lies where the
    data set has it. Blank lines and any kind of line end are fine. UserError names the line that is none.
    """
    try:
        text = read_text(Path(path), encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        if may_pass(error):
            raise
        raise UserError(f"{path}: cannot be read as a list of frames ({reason(error)})") from None
    numbered = ((n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip())
    lines = [_of_listed_image(line, of_image) or _parse_line(line, f"{path}:{n}") for n, line in numbered]
    if not lines:
        raise UserError(f"{path}: the list is empty; it needs lines like '2011_09_26/2011_09_26_drive_0001_sync 5 l'")
    return lines


def _of_listed_image(line: str, of_image: OfImage) -> SplitLine | None:
    image = line.split()[0]
    return of_image(image.lstrip("/")) if image.lower().endswith((".png", ".jpg", ".jpeg")) else None


def _parse_line(line: str, where: str) -> SplitLine:
    line = line.strip()
    fields = line.rsplit(maxsplit=2)  # from the right: the folder may contain spaces
    if len(fields) < 3 or fields[2] not in OTHER_SIDE:
        fields = [*line.rsplit(maxsplit=1), "l"]
    if len(fields) != 3 or not fields[1].isdecimal() or len(fields[1]) > MOST_DIGITS:
        raise UserError(f"{where}: {_shown(line)} is not 'folder frame side' with a frame number and side l or r")
    folder, frame, side = fields
    long = len(folder.encode()) > LONGEST_FOLDER or any(len(n.encode()) > LONGEST_NAME for n in folder.split("/"))
    if "\0" in folder or long:
        what = "is too long for a folder" if long else "has a NUL byte"
        raise UserError(f"{where}: {_shown(folder)} {what}; the list is damaged: restore it or write it again")
    return SplitLine(folder, int(frame), side)


def _shown(text: str) -> str:
    """For messages: in quotes, at most 100 characters of it."""
    return repr(text if len(text) <= 100 else f"{text[:97]}...")
