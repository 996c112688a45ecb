"""Are the frames that a split names there, and images?  Asked before training starts, not in its third hour."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from litemono.data.splits import FrameName, SplitLine, sample_frames
from litemono.data.stores.base import FrameStore
from litemono.utils.errors import UserError

SHOWN = 10
# Looking waits for the file server, where there is one, so several threads do it.
THREADS, CHUNK = 8, 256


class MissingFrames(NamedTuple):
    """Result of find_missing."""

    present: list[SplitLine]  # lines that have all their frames
    incomplete: int  # lines that have not
    examples: list[str]  # the first ten absent or broken frames: where they were looked for, or what is wrong
    archives: list[str]  # the published archives that hold them
    archive_source: str  # where those are to be had
    mixed_sizes: list[str]  # cameras whose images have several sizes


def find_missing(
    store: FrameStore, lines: Sequence[SplitLine], frame_ids: Sequence[int], use_stereo: bool
) -> MissingFrames:
    """Look at the target, its neighbours `frame_ids` and the other camera's frame of every line.

    A file that is there but cannot be an image, by its first bytes, counts as missing.
    """
    samples = [sample_frames(line, frame_ids, use_stereo, store.neighbour) for line in lines]
    looks = look_at(store, dict.fromkeys(frame for frames in samples for frame in frames))
    bad = {frame: look for frame, look in looks.items() if isinstance(look, str)}
    whole = [bad.keys().isdisjoint(frames) for frames in samples]
    present = [line for line, good in zip(lines, whole, strict=True) if good]
    folders = {line.folder for line, good in zip(lines, whole, strict=True) if not good}
    return MissingFrames(
        present,
        len(lines) - len(present),
        list(dict.fromkeys(bad.values()))[:SHOWN],
        store.dataset.archives(folders) if folders else [],
        store.dataset.archive_source,
        list(mixed_sizes(looks).values()) if store.dataset.video else [],
    )


def look_at(store: FrameStore, frames: Iterable[FrameName]) -> dict[FrameName, tuple[int, int] | str]:
    """(height, width) of each frame by its file's first bytes, or what is wrong with it."""

    def look(chunk: Sequence[FrameName]) -> list[tuple[int, int] | str]:
        return [_size_or_problem(store, frame) for frame in chunk]

    frames = list(frames)
    chunks = [frames[first : first + CHUNK] for first in range(0, len(frames), CHUNK)]
    with ThreadPoolExecutor(THREADS) as threads:
        found = [result for part in threads.map(look, chunks) for result in part]
    return dict(zip(frames, found, strict=True))


def _size_or_problem(store: FrameStore, frame: FrameName) -> tuple[int, int] | str:
    try:
        return store.look(*frame)
    except UserError as error:
        return str(error)


def mixed_sizes(looks: dict[FrameName, tuple[int, int] | str]) -> dict[tuple[str, str], str]:
    """Cameras, by folder and side, whose images have several sizes, with the sizes: one K cannot be that of all of them."""
    sizes: dict[tuple[str, str], Counter[tuple[int, int]]] = {}
    first: dict[tuple[str, str, tuple[int, int]], int] = {}
    for (folder, frame, side), look in looks.items():
        if not isinstance(look, str):
            sizes.setdefault((folder, side), Counter())[look] += 1
            first.setdefault((folder, side, look), frame)
    texts = {}
    for (folder, side), counts in sizes.items():
        if len(counts) > 1:
            parts = (
                f"{count} of {size[1]}x{size[0]} (first: frame {first[folder, side, size]})"
                for size, count in counts.most_common()
            )
            texts[folder, side] = f"{folder} {side}: {', '.join(parts)}"
    return texts


def check_frames(
    store: FrameStore,
    lines: Sequence[SplitLine],
    frame_ids: Sequence[int],
    use_stereo: bool,
    skip_missing: bool,
    split_path: Path | str,
) -> list[SplitLine]:
    """The lines to use: all of them, or with skip_missing those whose frames are there."""
    report = find_missing(store, lines, frame_ids, use_stereo)
    if report.mixed_sizes:
        more = f" and {len(report.mixed_sizes) - 1} other folders" * (len(report.mixed_sizes) > 1)
        raise UserError(
            f"{split_path}: images of several sizes in one folder cannot be of one camera: {report.mixed_sizes[0]}{more}; put "
            f"each size into a folder of its own{store.dataset.own_camera_help}"
        )
    if not report.present:
        raise UserError(f"{split_path}: none of its {len(lines)} samples has all its frames{_details(report)}")
    if not report.incomplete:
        return report.present
    text = f"{split_path}: {report.incomplete} of {len(lines)} samples lack frames"
    if not skip_missing:
        raise UserError(f"{text}; get them, or train without these samples: --skip_missing{_details(report)}")
    print(f"warning: {text} and are left out{_details(report)}", file=sys.stderr)
    return report.present


def _details(report: MissingFrames) -> str:
    """The report as the rest of a message."""
    text = "".join(f"\n  {example}" for example in report.examples)
    if report.archives:
        text += f"\n  archives to download ({report.archive_source}): {' '.join(report.archives)}"
    return text
