"""KITTI raw (Geiger et al. 2013): drives with two colour cameras, velodyne scans and a calibration for each day.

ROOT/2011_09_26/calib_cam_to_cam.txt, calib_velo_to_cam.txt
ROOT/2011_09_26/2011_09_26_drive_0001_sync/
    image_02/data/0000000005.png                              left; image_03: right
    velodyne_points/data/0000000005.bin
    proj_depth/groundtruth/image_02/0000000005.png            depth annotations (Uhrig et al. 2017), where extracted
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from litemono.data.datasets.base import Camera, PackableDataset, Picture, Size
from litemono.data.datasets.scans import ScanFile
from litemono.data.kitti import calibration, paths, velodyne
from litemono.data.kitti.paths import CAMERA, PackedScan
from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError


class VelodyneDepth:
    """Sparse depth of the raw drives, made from a scan for each frame; a few frames have none."""

    size = velodyne.TRAINING_DEPTH_SIZE

    def read(self, root: Path, line: SplitLine) -> np.ndarray:
        """(375, 1242) float32 metres, 0 where there is no point."""
        return velodyne.training_depth(root, line)

    def check(self, root: Path, lines: Sequence[SplitLine]) -> None:
        """UserError for a cut scan, or a calibration that lacks a matrix. Packed scans were checked when packed."""
        cameras = set()
        for line in lines:
            scan = self.find(root, line.folder, line.frame)
            if not scan.is_file():
                continue
            if problem := self.problem(scan):
                raise UserError(f"{problem}; extract its archive again")
            cameras.add((paths.calibration_dir(root, line.folder), CAMERA[line.side]))
        for directory, camera in cameras:
            calibration.scanner_to_image(directory, camera)

    def find(self, root: Path, folder: str, frame: int) -> Path | PackedScan:
        return paths.scan_path(root, folder, frame)

    def member(self, frame: int) -> str:
        return paths.scan_name(frame)

    def pack_path(self, root: Path, folder: str) -> Path:
        return Path(root) / folder / paths.SCANS_ARCHIVE

    def thinned(self, root: Path, folder: str, raw: bytes, where: object) -> bytes:
        """The points that a colour camera sees: a seventh of a scan, from which the same depth maps come."""
        points = velodyne.scan_points(raw, where)
        return points[velodyne.in_view(paths.calibration_dir(root, folder), points)].tobytes()

    def problem(self, scan: ScanFile) -> str | None:
        if isinstance(scan, Path):
            size = scan.stat().st_size
            if not size or size % velodyne.POINT_BYTES:
                return f"{scan}: {'empty' if not size else 'truncated, not a whole number of points'}"
        return None


SIDE = {str(number): side for side, number in CAMERA.items()}
IMAGE = re.compile(r"(?:.*/)?(\d{4}_\d\d_\d\d/[^/]+)/image_0([23])/data/(\d+)\.\w+")


class KittiRaw(PackableDataset):
    """Raw drives; a folder is "day/drive"."""

    name = "kitti"
    summary = "raw drives"
    sides = "lr"
    default_split = "eigen_zhou"
    split_summary = "eigen_zhou"
    checked_splits: ClassVar[tuple[str, ...]] = ("eigen_zhou", "eigen")
    published_test_split: ClassVar[str | None] = "eigen"
    intrinsics = frozenset({"published", "calib"})
    depth = scans = VelodyneDepth()
    pictures = {"depth": Picture(paths.annotation_path, 16, paths.ANNOTATION_ARCHIVE, units_per_metre=256)}
    archive_source = f"addresses in {paths.ARCHIVE_LIST}"

    def frame_place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        return f"{folder}/image_0{CAMERA[side]}/data", f"{frame:010d}"

    def sample_of_image(self, path: str) -> SplitLine | None:
        match = IMAGE.fullmatch(path)
        return SplitLine(match[1], int(match[3]), SIDE[match[2]]) if match else None

    def check_folder(self, folder: str, source: Path) -> str:
        if folder.startswith("/") or not set(folder.split("/")).isdisjoint({"", ".", ".."}):
            raise UserError(f"{source}: '{folder}' is not a drive such as 2011_09_26/2011_09_26_drive_0001_sync")
        return folder

    def published_intrinsics(self) -> Camera:
        return calibration.PUBLISHED_INTRINSICS

    def calibrated_camera(self, root: Path, line: SplitLine, image_size: Callable[[], Size]) -> tuple[Camera, Size]:
        return calibration.raw_camera(root, line.folder, line.side)

    def archives(self, folders: Iterable[str]) -> list[str]:
        listed = paths.listed_archives(map(paths.drive_archive, folders))
        return sorted(path.rsplit("/", 1)[-1] for path in listed)

    def archives_with_calibration(self, folders: Iterable[str]) -> list[str]:
        folders = set(folders)
        return paths.listed_archives(
            {paths.drive_archive(folder) for folder in folders}
            | {paths.calibration_archive(folder) for folder in folders}
        )

    def published_archives(self) -> list[str]:
        return paths.archive_paths()

    def frame_archives(self, folder: str) -> list[str]:
        return [paths.drive_archive(folder)]

    def calibration_archives(self, folder: str) -> list[str]:
        return [paths.calibration_archive(folder)]

    def calibration_files(self, folder: str) -> tuple[list[str], list[str]]:
        day = folder.split("/")[0]
        needed = [f"{day}/{calibration.CAMERA_FILE}", f"{day}/{calibration.SCANNER_FILE}"]
        return needed, [f"{day}/calib_imu_to_velo.txt"]

    def calibration_problem(self, root: Path, folder: str, sides: Iterable[str]) -> str | None:
        try:
            for side in sides:
                calibration.scanner_to_image(paths.calibration_dir(root, folder), CAMERA[side])
        except UserError as error:
            return str(error)
        return None


KITTI_RAW = KittiRaw()
