"""Ground-truth depth of a test split, from KITTI's velodyne scans or its depth annotations.

depth_maps.py   one line of a split -> one sparse depth map
files.py        the file that keeps them: written whole, read without trusting it
__main__.py     python -m export_gt
"""

from __future__ import annotations

import litemono  # noqa: F401  names the packages that an interpreter lacks, before numpy is imported
from export_gt.files import GroundTruth, default_path

__all__ = ["GroundTruth", "default_path"]
