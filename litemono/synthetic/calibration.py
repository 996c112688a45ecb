"""Where the cameras and the scanner of the rendered car are, and KITTI's files that say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from litemono.synthetic.render import Camera

BASELINE = 0.54  # metres
CAMERA_OFFSET = {"l": 0.06, "r": 0.06 - BASELINE}  # x of camera 0's origin in each camera

# Velodyne (x forward, y left, z up) to camera 0, and its rectification: small turns, so that none is an identity by luck.
T_CAM_VELO = np.eye(4)
T_CAM_VELO[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
T_CAM_VELO[:3, 3] = -0.004, -0.076, -0.272


def _small_turn(x: float, y: float, z: float) -> np.ndarray:
    """Rotation (3, 3) by the vector (x, y, z), radians. Rodrigues."""
    angle = np.linalg.norm([x, y, z])
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / angle
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


R_RECT = _small_turn(0.004, -0.008, 0.006)
T_CAM_VELO[:3, :3] = _small_turn(-0.006, 0.003, 0.002) @ T_CAM_VELO[:3, :3]


def scanner_in_camera() -> np.ndarray:
    """T_cam_velo (4, 4) from the velodyne frame to camera 2."""
    pose = np.eye(4)
    pose[:3] = R_RECT @ T_CAM_VELO[:3]
    pose[0, 3] += CAMERA_OFFSET["l"]
    return pose


def write_calibration(folder: Path, camera: Camera) -> None:
    """KITTI's three files. Their pixels count from 1, as MATLAB's do: every reader of scans subtracts 1."""
    K = np.array([[camera.fx, 0, camera.cx + 1], [0, camera.fy, camera.cy + 1], [0, 0, 1]])
    lines = ["calib_time: 01-Jan-2000 00:00:00", "corner_dist: 9.950000e-02"]
    shifts = {"00": 0.0, "01": -BASELINE, "02": CAMERA_OFFSET["l"], "03": CAMERA_OFFSET["r"]}
    for name, shift in shifts.items():
        size = np.array([camera.width, camera.height])
        projection = K @ np.column_stack([np.eye(3), [shift, 0, 0]])
        entries = {"S": size, "K": K, "D": np.zeros(5), "R": np.eye(3), "T": np.array([shift, 0, 0]), "S_rect": size,
                   "R_rect": R_RECT if name == "00" else np.eye(3), "P_rect": projection}  # fmt: skip
        lines += [f"{key}_{name}: {numbers(value)}" for key, value in entries.items()]
    (folder / "calib_cam_to_cam.txt").write_text("\n".join(lines) + "\n")
    nothing = "delta_f: 0.000000e+00 0.000000e+00\ndelta_c: 0.000000e+00 0.000000e+00\n"
    for name, pose, tail in (("velo_to_cam", T_CAM_VELO, nothing), ("imu_to_velo", np.eye(4), "")):
        text = f"calib_time: 01-Jan-2000 00:00:00\nR: {numbers(pose[:3, :3])}\nT: {numbers(pose[:3, 3])}\n{tail}"
        (folder / f"calib_{name}.txt").write_text(text)


def numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.9e}" for value in np.ravel(values))
