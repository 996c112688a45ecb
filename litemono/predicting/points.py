"""Point clouds of depth maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from litemono.data.intrinsics import Intrinsics
from litemono.utils.atomic_files import replacing

POINT = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
HEADER = """ply
format binary_little_endian 1.0
comment camera frame: x right, y down, z forward; unit of the depth: {unit}
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def write_ply(path: Path, depth: np.ndarray, image: Image.Image, intrinsics: Intrinsics, unit: str) -> None:
    """One coloured point for each pixel, binary PLY.

    depth: (H, W); image: RGB of that size; intrinsics: fx, fy, cx, cy in its pixels, whose centres have integer coordinates.
    """
    fx, fy, cx, cy = intrinsics
    height, width = depth.shape
    rows, columns = np.mgrid[:height, :width]
    points = np.empty(height * width, POINT)
    points["xyz"] = np.stack([(columns - cx) / fx * depth, (rows - cy) / fy * depth, depth], axis=2).reshape(-1, 3)
    points["rgb"] = np.asarray(image).reshape(-1, 3)
    with replacing(path) as file:
        file.write(HEADER.format(unit=unit, count=len(points)).encode())
        file.write(points.tobytes())
