"""Are the frames that a split names there?  Asked before training starts, not in its third hour."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from litemono.data import kitti
from litemono.data.kitti import SplitLine
from litemono.data.stores.folder import FrameStore
from litemono.utils.errors import UserError

SHOWN = 10


class MissingFrames(NamedTuple):
    """Result of find_missing."""

    present: list[SplitLine]  # lines that have all their frames
    count: int  # lines that have not
    examples: list[str]  # the first ten absent frames: where they were looked for
    archives: list[str]  # the KITTI archives that hold them


def find_missing(
    store: FrameStore, lines: Sequence[SplitLine], frame_ids: Sequence[int], use_stereo: bool
) -> MissingFrames:
    """Look for the target, its neighbours `frame_ids` and the other camera's frame of every line."""
    present, absent, folders = [], {}, set()
    for line in lines:
        gone = [frame for frame in kitti.sample_frames(line, frame_ids, use_stereo) if not store.has(*frame)]
        if gone:
            absent.update(dict.fromkeys(gone))
            folders.add(line.folder)
        else:
            present.append(line)
    examples = [store.missing(*frame) for frame in list(absent)[:SHOWN]]
    return MissingFrames(
        present, len(lines) - len(present), examples, kitti.drive_archives(store.dataset, folders) if folders else []
    )


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
    if not report.count:
        return report.present
    text = f"{split_path}: {report.count} of {len(lines)} samples lack frames"
    if not skip_missing:
        raise UserError(f"{text}; get them, or train without these samples: --skip_missing{_details(report)}")
    print(f"warning: {text} and are left out{_details(report)}", file=sys.stderr)
    return report.present


def check_scans(root: Path, lines: Sequence[SplitLine]) -> None:
    """UserError now for what validation would meet after the first epoch: a cut scan, a calibration that lacks a matrix.

    Lines without a scan are fine: they have no depth errors. Packed scans were checked when they were packed.
    """
    cameras = set()
    for line in lines:
        scan = kitti.scan_path(root, line.folder, line.frame)
        if not scan.is_file():
            continue
        if isinstance(scan, Path) and scan.stat().st_size % kitti.POINT_BYTES:
            kitti.load_scan(scan)  # says what is wrong
        cameras.add((kitti.calibration_dir(root, line.folder), kitti.CAMERA[line.side]))
    for calibration, camera in cameras:
        kitti.scanner_to_image(calibration, camera)


def _details(report: MissingFrames) -> str:
    """The report as the rest of a message."""
    text = "".join(f"\n  {example}" for example in report.examples)
    if report.archives:
        text += f"\n  KITTI archives to download (addresses in {kitti.ARCHIVE_LIST}): {' '.join(report.archives)}"
    return text
