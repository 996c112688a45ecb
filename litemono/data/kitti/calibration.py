"""KITTI's calibration files: intrinsics of the cameras, and where the velodyne scanner sees their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from litemono.data.kitti.paths import CAMERA, calibration_dir, sequence_name
from litemono.utils.atomic_files import may_pass, read_text
from litemono.utils.errors import UserError

# One K for all of KITTI, as published: fx/W, fy/H, cx/W, cy/H.
PUBLISHED_INTRINSICS = (0.58, 1.92, 0.5, 0.5)
CAMERA_FILE, SCANNER_FILE = "calib_cam_to_cam.txt", "calib_velo_to_cam.txt"

Pinhole = tuple[float, float, float, float]  # fx, fy, cx, cy in pixels


def read_calibration(path: Path | str) -> dict[str, np.ndarray]:
    """KITTI's "key: numbers" text as float64 vectors; entries that are not numbers (dates) are left out."""
    try:
        text = read_text(Path(path), encoding="utf-8", errors="replace")
    except OSError as error:
        if may_pass(error):
            raise
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); extract KITTI's calibration archive "
            "(such as 2011_09_26_calib.zip) into --data_path"
        ) from None
    entries = {}
    for line in text.splitlines():
        key, _, numbers = line.partition(":")
        try:
            entries[key.strip()] = np.array([float(n) for n in numbers.split()])
        except ValueError:
            continue
    return entries


def _matrix(calibration: dict[str, np.ndarray], path: Path, key: str, shape: tuple[int, ...]) -> np.ndarray:
    value = calibration.get(key)
    if value is None or value.size != np.prod(shape) or not np.isfinite(value).all():
        count = int(np.prod(shape))
        raise UserError(f"{path}: has no {key} with {count} numbers; extract KITTI's calibration archive again")
    return value.reshape(shape)


def raw_camera(root: Path, folder: str, side: str) -> tuple[Pinhole, tuple[int, int]]:
    """(fx, fy, cx, cy) in pixels of a raw drive's rectified camera, and the (height, width) of its images."""
    cam, path = CAMERA[side], calibration_dir(root, folder) / CAMERA_FILE
    calibration = read_calibration(path)
    projection = _matrix(calibration, path, f"P_rect_0{cam}", (3, 4))
    width, height = _matrix(calibration, path, f"S_rect_0{cam}", (2,))
    return _pinhole(projection), (int(height), int(width))


def odometry_camera(root: Path, folder: str, side: str) -> Pinhole:
    """(fx, fy, cx, cy) in pixels of a sequence's rectified camera; its file does not say the images' size."""
    path = Path(root) / "sequences" / sequence_name(folder) / "calib.txt"
    return _pinhole(_matrix(read_calibration(path), path, f"P{CAMERA[side]}", (3, 4)))


def _pinhole(projection: np.ndarray) -> Pinhole:
    return projection[0, 0], projection[1, 1], projection[0, 2], projection[1, 2]


def scanner_to_image(calib_dir: Path, cam: int) -> tuple[np.ndarray, tuple[int, int]]:
    """(3, 4) projection from the velodyne frame to pixels of camera `cam`, and the image's (height, width)."""
    camera_file, scanner_file = calib_dir / CAMERA_FILE, calib_dir / SCANNER_FILE
    cameras, scanner = read_calibration(camera_file), read_calibration(scanner_file)
    T_cam_velo, R_rect = np.eye(4), np.eye(4)
    T_cam_velo[:3, :3] = _matrix(scanner, scanner_file, "R", (3, 3))
    T_cam_velo[:3, 3] = _matrix(scanner, scanner_file, "T", (3,))
    R_rect[:3, :3] = _matrix(cameras, camera_file, "R_rect_00", (3, 3))
    projection = _matrix(cameras, camera_file, f"P_rect_0{cam}", (3, 4))
    # The published code takes camera 2's image size for every camera.
    width, height = _matrix(cameras, camera_file, "S_rect_02", (2,))
    if not (1 <= width < 65536 and 1 <= height < 65536):
        raise UserError(
            f"{camera_file}: S_rect_02 is {width:g}x{height:g}, no size of an image; extract its archive again"
        )
    return projection @ R_rect @ T_cam_velo, (int(height), int(width))
