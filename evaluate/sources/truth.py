"""Ground truth by name: a file of export_gt, a published gt_depths.npz, or a folder of maps.

KITTI    depth annotations, DRIVE/proj_depth/groundtruth/image_02/FRAME.png, 16 bits, metres times 256
TUM      associate.txt with pairs of colour and depth files, or made from rgb.txt and depth.txt; metres times 5000
Sintel   depth/SCENE/frame_0001.dpt, and occlusions/SCENE/frame_0001.png, white where the other frame does not see
NYU      ROOM/sync_depth_00045.png, metres times 1000
ETH3D    SCENE/ground_truth_depth/dslr_images/DSC_0286.JPG, 4032x6048 float32 numbers in spite of the name
others   any folder of .png .npy .npz .pfm .tif
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from export_gt import GroundTruth
from litemono.data.splits import SplitLine
from litemono.data.stores.images import check_pixels
from litemono.utils.atomic_files import may_pass, read_text
from litemono.utils.errors import UserError, reason

from ..keys import Key
from ..protocol import DataSet, Occluded
from ..scoring.image_set import Truth
from ..scoring.one_image import FARTHEST
from .map_files import find_maps, read_map
from .names import NONE, KeyIndex, key_of, key_of_line
from .sequences import Mapped, Names

TUM_APART_S = 0.02  # seconds between a colour image and its depth, at most; as in TUM's own tool
UNITS = {"tum": 5000.0, "nyu": 1000.0, "kitti": 256.0}
COLOUR_FOLDERS = {"rgb", "image", "images", "final_left", "clean_left", "occlusions"}


class MapFiles(NamedTuple):
    """What is in a folder of ground truth."""

    data: DataSet | None
    """The data set whose layout it has."""
    names: Sequence[str]
    """By which images are matched."""
    files: Sequence[str]
    """Below the root, in the same order."""


def from_file(path: Path, lines: Sequence[SplitLine], split: str, data_path: Path | None, given: bool) -> Truth:
    """The maps of a split in one .npz, by order of its lines. given: `path` is --gt_path, not the default place."""
    output = f" --output {shlex.quote(str(path))}" if given else ""
    source = shlex.quote(str(data_path or "KITTI_RAW"))
    command = f"python -m export_gt --data_path {source} --split {shlex.quote(split)}{output}"
    if not path.is_file():
        raise UserError(f"{path}: there is no such ground-truth file; make it: {command}")
    truth = GroundTruth(path)
    if len(truth) != len(lines):
        raise UserError(f"{path}: {len(truth)} depth maps, but split {split} has {len(lines)} test images")
    if truth.lines is not None and truth.lines != list(map(str, lines)):
        raise UserError(f"{path}: made for other images than those of split {split}; make it again: {command}")
    return Truth(path, Mapped(str, lines), Mapped(key_of_line, lines), None, truth.__getitem__)


def from_folder(
    root: Path, lines: Sequence[SplitLine] | None, split: str | None, factor: float | None, occluded: Occluded
) -> Truth:
    """The maps below a folder, or those of them that a split names."""
    data, names, files = _files(root)
    if not names:
        raise UserError(f"--gt_path {root}: no ground truth there; it needs .png, .npy, .npz, .pfm, .tif or .dpt maps")
    if occluded == "leave_out" and data != "sintel":
        raise UserError(f"--occluded leave_out: {root} has no occlusions as Sintel has; leave the flag out")
    keys: Sequence[Key] = Mapped(key_of, names)
    if lines is not None:
        by_key = KeyIndex.of(keys)
        keys = Mapped(key_of_line, lines)
        places = by_key.firsts(keys)
        missing = [str(lines[index]) for index in np.flatnonzero(places == NONE).tolist()]
        if missing:
            raise UserError(
                f"--gt_path {root}: {len(missing)} of {len(lines)} images of split {split} have no ground truth there "
                f"({', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}); give a split of those that have"
            )
        names, files = (Mapped(of_all.__getitem__, places) for of_all in (names, files))
    units = factor or UNITS.get(data or "kitti", UNITS["kitti"])

    def read(index: int) -> np.ndarray:
        return _read(root, root / files[index], units, occluded)

    return Truth(root, names, keys, data, read)


def _read(root: Path, path: Path, units: float, occluded: Occluded) -> np.ndarray:
    depth = read_map(path, units, "gt_factor")
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))
    measured = depth[depth > 0]
    if path.suffix != ".dpt" and len(measured) and np.median(measured) > FARTHEST:  # Sintel's skies are that far
        raise UserError(
            f"{path}: half of its depth is beyond {np.median(measured):.0f} m; is --gt_factor {units:g} right?"
        )
    if occluded == "leave_out":
        depth[_occlusions(root, path, depth.shape)] = 0
    return depth


def _occlusions(root: Path, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    parts = list(path.relative_to(root).parts)
    if "depth" in parts:
        parts[parts.index("depth")] = "occlusions"
    file = root.joinpath(*parts).with_suffix(".png")
    try:
        with Image.open(file) as image:
            check_pixels(image)
            white = np.asarray(image.convert("L")) > 127
    except (OSError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{file}: no readable occlusions ({reason(error)}); extract them there or leave out --occluded"
        ) from None
    if white.shape != shape:
        raise UserError(f"{file}: {white.shape} pixels, but the depth has {shape}; extract Sintel again")
    return white


def _files(root: Path) -> MapFiles:
    if (root / "associate.txt").is_file() or all((root / name).is_file() for name in ("rgb.txt", "depth.txt")):
        pairs = _tum_files(root)
        return MapFiles("tum", [colour for colour, _ in pairs], [depth for _, depth in pairs])
    names = find_maps(root)
    if any(name.endswith(".dpt") for name in names):
        names = Names(name for name in names if name.endswith(".dpt"))
        return MapFiles("sintel", names, names)
    if any(name.lower().endswith(".jpg") for name in names):
        names = Names(name for name in names if name.lower().endswith(".jpg"))
        return MapFiles("eth3d", names, names)
    for folder in ("groundtruth", "depth"):
        if any(folder in name.split(os.sep) for name in names):
            names = Names(name for name in names if folder in name.split(os.sep))
    names = Names(name for name in names if os.path.basename(os.path.dirname(name)) not in COLOUR_FOLDERS)
    annotated = "groundtruth" in root.parts or any("groundtruth" in name.split(os.sep) for name in names)
    data: DataSet | None = "kitti" if names and annotated else None
    if names and all(os.path.basename(name).startswith("sync_depth_") for name in names):
        data = "nyu"
    return MapFiles(data, names, names)


# ---------------------------------------------------------------- TUM


def _tum_files(root: Path) -> list[tuple[str, str]]:
    """Pairs of colour and depth files."""
    pairs = root / "associate.txt"
    if pairs.is_file():
        lines = [[field for field in line if "/" in field] for line in _fields(pairs)]
        if any(len(line) != 2 for line in lines):
            raise UserError(f"{pairs}: its lines must be 'rgb/TIME.png depth/TIME.png'; remove it to have it made here")
        in_order = (sorted(line, key=lambda file: "depth" in file) for line in lines)
        return [(colour, depth) for colour, depth in in_order]
    return associate(_times(root / "rgb.txt"), _times(root / "depth.txt"))


def associate(first: dict[float, str], second: dict[float, str]) -> list[tuple[str, str]]:
    """Pairs of files that are less than 0.02 s apart, the nearest first, each file in one pair; in order of time."""
    times = np.array(sorted(second))
    candidates = []
    for time in first:
        low, high = np.searchsorted(times, [time - TUM_APART_S, time + TUM_APART_S])
        candidates += [(abs(time - other), time, float(other)) for other in times[low:high]]
    taken: dict[float, float] = {}
    used = set()
    for apart, time, other in sorted(candidates):
        if apart < TUM_APART_S and time not in taken and other not in used:
            taken[time] = other
            used.add(other)
    return [(first[time], second[other]) for time, other in sorted(taken.items())]


def _times(path: Path) -> dict[float, str]:
    lines = _fields(path)
    try:
        return {float(time): file for time, file in lines}
    except ValueError:
        raise UserError(f"{path}: its lines must be 'TIME FILE'; download the sequence again") from None


def _fields(path: Path) -> list[list[str]]:
    try:
        text = read_text(path, errors="replace")
    except OSError as error:
        if may_pass(error):
            raise
        raise UserError(f"{path}: cannot be read ({error.strerror}); download the sequence again") from None
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
