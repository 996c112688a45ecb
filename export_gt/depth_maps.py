"""One line of a split -> one sparse depth map: (H, W) float32 in metres, 0 where nothing was measured.

Two sources. Velodyne scans give the classic Eigen ground truth (Eigen et al. 2014), as published with the scanner's
forward distance in the pixels of the line's camera. KITTI's depth annotations (Uhrig et al. 2017) are denser and
cleaner: eleven scans accumulated and checked against stereo; they exist for 652 of the 697 Eigen test images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.kitti.paths import CAMERA, PackedScan, calibration_dir, scan_path
from litemono.data.kitti.velodyne import velodyne_depth
from litemono.data.splits import WITHOUT_TRUTH, SplitLine
from litemono.data.stores.arrays import read_picture
from litemono.utils.errors import UserError

ANNOTATED_SPLITS = ("eigen_benchmark",)
ANNOTATION = KITTI_RAW.pictures["depth"]
NAMED = 3  # missing files, and archives, that an error lists


class Source(NamedTuple):
    """Where a split's depth comes from."""

    what: str
    find: Callable[[Path, SplitLine], Path | PackedScan]
    """The file of a line below the data folder; the path may not exist."""
    depth: Callable[[Path, SplitLine], np.ndarray]
    """(H, W) float32 metres."""
    remedy: Callable[[set[str]], str]
    """What to do about missing files of these drives."""


def source_of(split_name: str) -> Source:
    """eigen_benchmark is made of depth annotations, every other split of velodyne scans."""
    return ANNOTATIONS if split_name in ANNOTATED_SPLITS else SCANS


def check_has_truth(list_file: Path) -> None:
    """UserError for the one split in splits/ whose ground truth is not public."""
    if list_file.parent == WITHOUT_TRUTH:
        raise UserError(
            f"--split {WITHOUT_TRUTH.name}: the ground truth of KITTI's depth benchmark is not public, so its test images "
            "cannot be evaluated here; to predict them: python -m litemono.predict --input IMAGES --save_npy; with public "
            "ground truth: --split eigen_benchmark"
        )


def check_present(source: Source, root: Path, lines: Sequence[SplitLine]) -> None:
    """Raise UserError if a file that `lines` need is missing: how many, the first, and what to download."""
    missing = [line for line in lines if not source.find(root, line).is_file()]
    if missing:
        first = ", ".join(os.path.relpath(str(source.find(root, line)), root) for line in missing[:NAMED])
        raise UserError(
            f"{len(missing)} of {len(lines)} {source.what}s are missing below --data_path {root} "
            f"({first}{', ...' if len(missing) > NAMED else ''}); {source.remedy({line.folder for line in missing})}"
        )


def _scan(root: Path, line: SplitLine) -> Path | PackedScan:
    return scan_path(root, line.folder, line.frame)


def _scan_depth(root: Path, line: SplitLine) -> np.ndarray:
    calibration = calibration_dir(root, line.folder)
    depth = velodyne_depth(calibration, _scan(root, line), cam=CAMERA[line.side], vel_depth=True)
    return depth.astype(np.float32)


def _scan_remedy(folders: set[str]) -> str:
    archives = KITTI_RAW.archives(folders)
    if not archives:
        return "record or copy the scans of these drives, or take their lines out of the split"
    more = f" and {len(archives) - NAMED} more" if len(archives) > NAMED else ""
    return f"extract {', '.join(archives[:NAMED])}{more} there ({KITTI_RAW.archive_source})"


def _annotation(root: Path, line: SplitLine) -> Path:
    return ANNOTATION.path(root, *line)


def _annotation_depth(root: Path, line: SplitLine) -> np.ndarray:
    return ANNOTATION.metres(read_picture(KITTI_RAW, root, "depth", *line))


def _annotation_remedy(folders: set[str]) -> str:
    return f"download {ANNOTATION.archive} (14 GB) from KITTI's depth benchmark and extract its train and val folders there"


SCANS = Source("velodyne scan", _scan, _scan_depth, _scan_remedy)
ANNOTATIONS = Source("depth annotation", _annotation, _annotation_depth, _annotation_remedy)
