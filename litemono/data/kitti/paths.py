"""Where KITTI keeps its calibration and scans, and the archives that hold them.

Geiger et al. 2013. Camera 2 is the left colour camera ("l"), camera 3 the right one ("r").
"""

from __future__ import annotations

import errno
import zipfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from litemono.data.splits import SPLITS
from litemono.utils.archives import DAMAGED, check_sizes
from litemono.utils.errors import UserError, reason

CAMERA = {"l": 2, "r": 3}
KITTI_ADDRESS = "https://s3.eu-central-1.amazonaws.com/avg-kitti/raw_data"
ARCHIVE_LIST = SPLITS / "kitti_archives_to_download.txt"
SCANS_ARCHIVE = "velodyne_points.zip"
ANNOTATION_ARCHIVE = "data_depth_annotated.zip"
# Where the depth annotations of a drive may lie: beside its images, or in their archive's two folders.
ANNOTATION_PLACES = (
    *("{folder}", "train/{drive}", "val/{drive}"),
    *("data_depth_annotated/train/{drive}", "data_depth_annotated/val/{drive}"),
)


class PackedScan(NamedTuple):
    """A scan in a packed drive's zip, with what its users need of a Path."""

    archive: Path
    name: str

    def is_file(self) -> bool:
        return self.name in _members(self.archive, self.archive.stat().st_mtime_ns)

    def read_bytes(self) -> bytes:
        """Raises OSError for a scan that is not there, zipfile's and zlib's errors for a damaged one."""
        with zipfile.ZipFile(self.archive) as file:
            if self.name not in file.namelist():
                raise FileNotFoundError(errno.ENOENT, "not in the archive")
            check_sizes(file)
            return file.read(self.name)

    def __str__(self) -> str:
        return f"{self.archive}, member {self.name}"


@lru_cache(maxsize=256)
def _members(archive: Path, changed: int) -> frozenset[str]:
    """Names in a zip, read again when it has changed: a split asks for hundreds of scans of a drive."""
    try:
        with zipfile.ZipFile(archive) as file:
            return frozenset(file.namelist())
    except DAMAGED as error:
        raise UserError(
            f"{archive}: not a complete zip ({reason(error)}); delete it and pack its drive again"
        ) from None


def scan_path(root: Path, folder: str, frame: int) -> Path | PackedScan:
    """Velodyne scan taken with a frame of a raw drive; in packed drives it is a member of their velodyne_points.zip."""
    drive, name = Path(root) / folder, scan_name(frame)
    packed = PackedScan(drive / SCANS_ARCHIVE, name)
    if not (drive / name).is_file() and packed.archive.is_file() and packed.is_file():
        return packed
    return drive / name


def scan_name(frame: int) -> str:
    """Place of a scan in its drive's folder."""
    return f"velodyne_points/data/{frame:010d}.bin"


def calibration_dir(root: Path, folder: str) -> Path:
    """The recording day's folder, which holds the calibration of all its drives."""
    return Path(root) / folder.split("/")[0]


def sequence_name(folder: str) -> str:
    """Name of an odometry sequence's folder; the published lists leave out the leading zero."""
    if not folder.isdecimal():
        raise UserError(
            f"'{folder}' is no odometry sequence number; --dataset kitti_odom goes with --split odom, "
            "raw drives with --dataset kitti"
        )
    return f"{int(folder):02d}"


def annotation_path(root: Path, folder: str, frame: int, side: str) -> Path:
    """Depth annotation (16-bit PNG, Uhrig et al. 2017) of a raw frame; the path may not exist."""
    paths = [Path(root) / name for name in annotation_names(folder, frame, side)]
    return next((path for path in paths if path.is_file()), paths[0])


def annotation_names(folder: str, frame: int, side: str) -> list[str]:
    """Where the depth annotation of a raw frame may lie, below the data root or in its archive."""
    drive = folder.rsplit("/", 1)[-1]
    picture = f"proj_depth/groundtruth/image_0{CAMERA[side]}/{frame:010d}.png"
    return [f"{place.format(folder=folder, drive=drive)}/{picture}" for place in ANNOTATION_PLACES]


# ---------------------------------------------------------------- archives of raw drives


def archive_paths() -> list[str]:
    """Every archive of the published list, relative to the address below which KITTI keeps its raw archives."""
    return [line.removeprefix(f"{KITTI_ADDRESS}/") for line in ARCHIVE_LIST.read_text().split()]


def drive_archive(folder: str) -> str:
    """Name of the archive with a drive's images and scans."""
    return f"{folder.rsplit('/', 1)[-1]}.zip"


def calibration_archive(folder: str) -> str:
    """Name of the archive with the calibration of a drive's recording day."""
    return f"{folder.split('/')[0]}_calib.zip"


def listed_archives(names: Iterable[str]) -> list[str]:
    """Those of the published list, relative to KITTI's address, that have one of these names; in the list's order."""
    wanted = set(names)
    return [path for path in archive_paths() if path.rsplit("/", 1)[-1] in wanted]
