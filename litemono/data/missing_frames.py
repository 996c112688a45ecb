"""Are the frames that a split names there?  Asked before training starts, not in its third hour."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from litemono.data.splits import SplitLine, sample_frames
from litemono.data.stores.base import FrameStore
from litemono.utils.errors import UserError

SHOWN = 10


class MissingFrames(NamedTuple):
    """Result of find_missing."""

    present: list[SplitLine]  # lines that have all their frames
    incomplete: int  # lines that have not
    examples: list[str]  # the first ten absent frames: where they were looked for
    archives: list[str]  # the published archives that hold them
    archive_source: str  # where those are to be had


def find_missing(
    store: FrameStore, lines: Sequence[SplitLine], frame_ids: Sequence[int], use_stereo: bool
) -> MissingFrames:
    """Look for the target, its neighbours `frame_ids` and the other camera's frame of every line."""
    present, absent, folders = [], {}, set()
    for line in lines:
        gone = [frame for frame in sample_frames(line, frame_ids, use_stereo) if not store.has(*frame)]
        if gone:
            absent.update(dict.fromkeys(gone))
            folders.add(line.folder)
        else:
            present.append(line)
    examples = [store.missing(*frame) for frame in list(absent)[:SHOWN]]
    archives = store.dataset.archives(folders) if folders else []
    return MissingFrames(present, len(lines) - len(present), examples, archives, store.dataset.archive_source)


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
