"""KITTI odometry (Geiger et al. 2012): 22 sequences of rectified colour images, poses for the first eleven.

ROOT/sequences/09/calib.txt, times.txt
ROOT/sequences/09/image_2/000005.png          left; image_3: right
ROOT/poses/09.txt
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from litemono.data.datasets.base import Camera, PackableDataset, Size
from litemono.data.kitti import calibration
from litemono.data.kitti.paths import CAMERA, sequence_name
from litemono.data.splits import SplitLine

COLOR_ARCHIVE = "data_odometry_color.zip"
CALIBRATION_ARCHIVES = ("data_odometry_calib.zip", "data_odometry_poses.zip")


class KittiOdometry(PackableDataset):
    """Odometry sequences; a folder is a sequence's number, with or without its leading zero."""

    name = "kitti_odom"
    summary = "odometry sequences"
    sides = "lr"
    default_split = "odom"
    split_summary = "odom"
    checked_splits = ("odom",)
    test_offsets = (0, 1)  # a line of its test lists is the motion from a frame to the next one
    intrinsics = frozenset({"published", "calib"})
    archive_source = "from KITTI's odometry page"
    fetched_by_hand = (
        f"its archives ({', '.join((COLOR_ARCHIVE, *CALIBRATION_ARCHIVES))}) are given out after a form on KITTI's "
        "odometry page; fetch them by hand, then pack"
    )
    archive_top = "dataset/"

    def frame_place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        return f"sequences/{sequence_name(folder)}/image_{CAMERA[side]}", f"{frame:06d}"

    def folder_name(self, folder: str) -> str:
        return sequence_name(folder)

    def check_folder(self, folder: str, source: Path) -> str:
        return sequence_name(folder)

    def published_intrinsics(self) -> Camera:
        return calibration.PUBLISHED_INTRINSICS

    def calibrated_camera(self, root: Path, line: SplitLine, image_size: Callable[[], Size]) -> tuple[Camera, Size]:
        return calibration.odometry_camera(root, line.folder, line.side), image_size()

    def archives(self, folders: Iterable[str]) -> list[str]:
        return [COLOR_ARCHIVE] if set(folders) else []

    def archives_with_calibration(self, folders: Iterable[str]) -> list[str]:
        return self.archives(folders)

    def frame_archives(self, folder: str) -> list[str]:
        return [COLOR_ARCHIVE]

    def calibration_archives(self, folder: str) -> list[str]:
        return list(CALIBRATION_ARCHIVES)

    def calibration_files(self, folder: str) -> tuple[list[str], list[str]]:
        sequence = f"sequences/{folder}"
        return [f"{sequence}/calib.txt"], [f"{sequence}/times.txt", f"poses/{folder}.txt"]


KITTI_ODOMETRY = KittiOdometry()
