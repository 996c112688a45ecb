"""Velodyne scans of raw drives, and the sparse depth maps they give in the colour cameras."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from litemono.data.kitti.calibration import scanner_to_image
from litemono.data.kitti.paths import CAMERA, PackedScan, calibration_dir, scan_path
from litemono.data.splits import SplitLine
from litemono.utils.archives import DAMAGED
from litemono.utils.atomic_files import check_is_file, may_pass
from litemono.utils.errors import UserError

MOST_BYTES = 2**28  # KITTI's scans have 2 MB
POINT_BYTES = 16  # x, y, z, reflectance as float32
# Height and width that training-time ground truth is brought to, whatever the drive's image size.
TRAINING_DEPTH_SIZE = (375, 1242)


def load_scan(path: Path | PackedScan | str) -> np.ndarray:
    """(N, 4) float32: x forward, y left, z up in metres of the scanner's frame, and reflectance."""
    try:
        file = Path(path) if isinstance(path, str) else path
        if isinstance(file, Path):
            check_is_file(file, MOST_BYTES)
        raw = file.read_bytes()
    except DAMAGED as error:
        if may_pass(error):
            raise
        raise UserError(
            f"{path}: cannot read this velodyne scan ({getattr(error, 'strerror', None) or error})"
        ) from None
    return scan_points(raw, path)


def scan_points(raw: bytes, where: object) -> np.ndarray:
    """(N, 4) points of a scan file's content; `where` names it in messages."""
    if len(raw) % POINT_BYTES:
        raise UserError(
            f"{where}: {len(raw)} bytes are not a whole number of 16-byte velodyne points; the file is truncated, "
            "extract its archive again"
        )
    return np.frombuffer(raw, dtype="<f4").reshape(-1, 4)


def velodyne_depth(
    calib_dir: Path | str,
    scan: Path | PackedScan | str,
    cam: int = 2,
    vel_depth: bool = False,
    correct_duplicates: bool = False,
) -> np.ndarray:
    """(H, W) float64 sparse depth in metres of a scan seen by camera `cam`; 0 where there is no point.

    vel_depth: the value is the point's velodyne x instead of its z in the camera.  Of several points in a pixel the
    nearest counts.  The published code looks for them with the pixel index row * (W - 1) + column, in which the last
    pixel of a row and the first of the next are one; the published numbers rest on it, so it is the default here,
    and correct_duplicates=True is the index without that fault.
    """
    points = load_scan(scan)
    points = points[points[:, 0] >= 0]
    homogeneous = np.concatenate([points[:, :3], np.ones((len(points), 1), np.float32)], axis=1)
    projection, (height, width) = scanner_to_image(Path(calib_dir), cam)
    u, v, z = (homogeneous @ projection.T).T
    with np.errstate(divide="ignore", invalid="ignore"):
        # MATLAB's pixels count from 1; np.round takes halves to even.
        column, row = np.round(u / z) - 1, np.round(v / z) - 1
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    column, row = column[inside].astype(np.int64), row[inside].astype(np.int64)
    values = (points[:, 0].astype(np.float64) if vel_depth else z)[inside]

    pixel = row * width + column
    group = pixel if correct_duplicates else row * (width - 1) + column
    depth = np.zeros(height * width)
    depth[pixel] = values  # of repeated indices the last point stays, as in the published code
    nearest = np.full(height * width, np.inf)
    np.minimum.at(nearest, group, values)
    first = np.zeros(height * width, np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    depth[pixel[first[group]]] = nearest[group]  # a group's minimum goes to the pixel of its first point
    return np.maximum(depth, 0).reshape(height, width)


def in_view(calib_dir: Path | str, points: np.ndarray, margin: float = 2) -> np.ndarray:
    """(N,) bool: the points of a scan from which velodyne_depth can be made, for either colour camera.

    These are the ones in front of the scanner that fall into an image, or within `margin` pixels of it.
    """
    homogeneous = np.concatenate([points[:, :3], np.ones((len(points), 1), np.float32)], axis=1)
    seen = np.zeros(len(points), bool)
    for cam in CAMERA.values():
        projection, (height, width) = scanner_to_image(Path(calib_dir), cam)
        u, v, z = (homogeneous @ projection.T).T
        with np.errstate(divide="ignore", invalid="ignore"):
            column, row = u / z, v / z
        seen |= (column > -margin) & (row > -margin) & (column < width + margin) & (row < height + margin)
    return seen & (points[:, 0] >= 0)


def resize_nearest(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width) nearest-neighbour resize with half-pixel centres, as skimage.transform.resize(order=0)."""
    rows, columns = nearest_places(depth.shape[0], height), nearest_places(depth.shape[1], width)
    return depth.take(rows, axis=0).take(columns, axis=1)  # a quarter of the time of indexing both at once


@lru_cache(maxsize=64)
def nearest_places(there: int, wanted: int) -> np.ndarray:
    """(wanted,) int64: which of `there` pixels in a row are taken. Not to be changed: callers share it."""
    places = ((np.arange(wanted) + 0.5) * there / wanted).astype(np.int64)
    places.flags.writeable = False
    return places


def training_depth(root: Path, line: SplitLine) -> np.ndarray:
    """(375, 1242) float32 ground truth of a raw frame for the metrics logged in training; zeros without a scan."""
    scan = scan_path(root, line.folder, line.frame)
    if not scan.is_file():
        return np.zeros(TRAINING_DEPTH_SIZE, np.float32)
    depth = velodyne_depth(calibration_dir(root, line.folder), scan, CAMERA[line.side])
    return resize_nearest(depth, *TRAINING_DEPTH_SIZE).astype(np.float32)
