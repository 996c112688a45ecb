"""Where KITTI keeps its frames, calibration and scans, and the split lists that name them.

Geiger et al. 2013.  Camera 2 is the left colour camera ("l"), camera 3 the right one ("r").
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from litemono.utils.atomic_files import may_pass
from litemono.utils.errors import UserError

if TYPE_CHECKING:
    from litemono.data.stores.folder import FrameStore

SPLITS = Path(__file__).resolve().parents[2] / "splits"
ARCHIVE_LIST = SPLITS / "kitti_archives_to_download.txt"
ODOMETRY_ARCHIVE = "data_odometry_color.zip"

DEFAULT_SPLIT = {"kitti": "eigen_zhou", "kitti_odom": "odom"}
CAMERA = {"l": 2, "r": 3}
OTHER_SIDE = {"l": "r", "r": "l"}

# One K for all of KITTI, as published: fx/W, fy/H, cx/W, cy/H.
PUBLISHED_INTRINSICS = (0.58, 1.92, 0.5, 0.5)
# Height and width that training-time ground truth is brought to, whatever the drive's image size.
TRAINING_DEPTH_SIZE = (375, 1242)

Intrinsics = tuple[float, float, float, float]


class SplitLine(NamedTuple):
    """One sample: the target frame of a drive (kitti), sequence (kitti_odom) or video folder (frames)."""

    folder: str
    frame: int
    side: str  # "l" or "r"

    def __str__(self) -> str:
        return f"{self.folder} {self.frame} {self.side}"


FrameName = tuple[str, int, str]  # folder, frame, side


def sample_frames(line: SplitLine, frame_ids: Sequence[int], use_stereo: bool) -> list[FrameName]:
    """The frames of a sample: those at `frame_ids` from its target, then the other camera's of its target."""
    frames = [(line.folder, line.frame + i, line.side) for i in frame_ids]
    return [*frames, (line.folder, line.frame, OTHER_SIDE[line.side])] if use_stereo else frames


# ---------------------------------------------------------------- split lists


def find_split(split: str) -> Path | None:
    """The folder of a split that is named in splits/ or given by its path."""
    named, given = SPLITS / split, Path(split)
    if named.parent == SPLITS and named.is_dir():
        return named
    return Path(os.path.abspath(given)) if split and given.is_dir() else None


def split_file(split: str, which: str) -> Path:
    """Path of `which` ("train", "val", "test") of a split named in splits/ or given as a folder."""
    folder = find_split(split)
    name = f"{which}_files.txt"
    if folder is not None and (folder / name).is_file():
        return folder / name
    known = ", ".join(sorted(f.parent.name for f in SPLITS.glob(f"*/{name}")))
    problem = f"{folder} has no {name}" if folder else f"no split and no folder '{split}'"
    raise UserError(f"--split {split}: {problem}; splits with {name}: {known}; or give a folder that holds one")


def read_split(path: Path | str) -> list[SplitLine]:
    """Lines "folder frame side"; a missing side means left.  Blank lines and any kind of line end are fine."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        if may_pass(error):
            raise
        raise UserError(f"{path}: cannot be read as a list of frames ({error})") from None
    lines = [_parse_line(line, f"{path}:{n}") for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise UserError(f"{path}: the list is empty; it needs lines like '2011_09_26/2011_09_26_drive_0001_sync 5 l'")
    return lines


def _parse_line(line: str, where: str) -> SplitLine:
    fields = line.strip().rsplit(maxsplit=2)  # from the right: the folder may contain spaces
    if len(fields) == 2:
        fields.append("l")
    if len(fields) != 3 or not fields[1].isdecimal() or len(fields[1]) > 10 or fields[2] not in CAMERA:
        raise UserError(f"{where}: '{line.strip()}' is not 'folder frame side' with a frame number and side l or r")
    return SplitLine(fields[0], int(fields[1]), fields[2])


# ---------------------------------------------------------------- places of files


def frame_place(dataset: str, folder: str, frame: int, side: str) -> tuple[str, str]:
    """Directory below the data root and file name without extension of a KITTI frame."""
    if dataset == "kitti_odom":
        return f"sequences/{sequence_name(folder)}/image_{CAMERA[side]}", f"{frame:06d}"
    return f"{folder}/image_0{CAMERA[side]}/data", f"{frame:010d}"


def frame_path(root: Path, dataset: str, folder: str, frame: int, side: str, ext: str) -> Path:
    """Image file of a KITTI frame; `ext` with its dot."""
    directory, stem = frame_place(dataset, folder, frame, side)
    return Path(root) / directory / (stem + ext)


POINT_BYTES = 16  # x, y, z, reflectance as float32
SCANS_ARCHIVE = "velodyne_points.zip"


class PackedScan(NamedTuple):
    """A scan in a packed drive's zip, with what its users need of a Path."""

    archive: Path
    name: str

    def is_file(self) -> bool:
        return self.name in _members(self.archive, self.archive.stat().st_mtime_ns)

    def read_bytes(self) -> bytes:
        with zipfile.ZipFile(self.archive) as file:
            return file.read(self.name)

    def __str__(self) -> str:
        return f"{self.archive}, member {self.name}"


@lru_cache(maxsize=256)
def _members(archive: Path, changed: int) -> frozenset[str]:
    """Names in a zip, read again when it has changed: a split asks for hundreds of scans of a drive."""
    try:
        with zipfile.ZipFile(archive) as file:
            return frozenset(file.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{archive}: not a complete zip ({error}); delete it and pack its drive again") from None


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


def drive_archives(dataset: str, folders: set[str]) -> list[str]:
    """Names of the KITTI archives that hold these drives or sequences, as far as they are KITTI's."""
    if dataset == "kitti_odom":
        return [ODOMETRY_ARCHIVE]
    if dataset != "kitti":
        return []
    known = {line.strip().rsplit("/", 1)[-1] for line in ARCHIVE_LIST.read_text().splitlines() if line.strip()}
    return sorted(known & {f"{folder.rsplit('/', 1)[-1]}.zip" for folder in folders})


# ---------------------------------------------------------------- calibration


def read_calibration(path: Path | str) -> dict[str, np.ndarray]:
    """KITTI's "key: numbers" text as float64 vectors; entries that are not numbers (dates) are left out."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
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


def parse_intrinsics(text: str) -> str | Intrinsics:
    """The value of --intrinsics: "published", "calib", or (fx, fy, cx, cy) in pixels of the original images."""
    if text in ("published", "calib"):
        return text
    try:
        fx, fy, cx, cy = (float(number) for number in text.split(","))
    except ValueError:
        fx = fy = cx = cy = float("nan")
    if not (0 < fx < np.inf and 0 < fy < np.inf and np.isfinite(cx) and np.isfinite(cy)):
        raise UserError(
            f"--intrinsics {text}: must be published, calib, or fx,fy,cx,cy in pixels (721.5,721.5,609.6,172.9)"
        )
    return fx, fy, cx, cy


def normalised_intrinsics(intrinsics: str, store: FrameStore, line: SplitLine) -> Intrinsics:
    """fx/W, fy/H, cx/W, cy/H of the camera that took `line`; `intrinsics` is the value of --intrinsics."""
    chosen = parse_intrinsics(intrinsics)
    if store.dataset == "frames" and isinstance(chosen, str):
        raise UserError(
            f"--intrinsics {intrinsics}: --dataset frames needs the camera as --intrinsics fx,fy,cx,cy in pixels "
            "of the original images"
        )
    if chosen == "published":
        return PUBLISHED_INTRINSICS
    if chosen == "calib":
        camera, (height, width) = _calibrated_camera(store, line)
    else:
        camera, (height, width) = chosen, store.native_size(*line)
    fx, fy, cx, cy = camera
    if not (0 < cx < width and 0 < cy < height and fx > 2 and fy > 2):
        raise UserError(
            f"--intrinsics {intrinsics}: fx,fy,cx,cy = {fx:g},{fy:g},{cx:g},{cy:g} cannot be the camera of {width}x{height} "
            "images; all four are pixels of the original images, and cx,cy lies in them"
        )
    return fx / width, fy / height, cx / width, cy / height


def _calibrated_camera(store: FrameStore, line: SplitLine) -> tuple[Intrinsics, tuple[int, int]]:
    """(fx, fy, cx, cy) in pixels and the (height, width) of the image they belong to."""
    cam = CAMERA[line.side]
    if store.dataset == "kitti_odom":
        path = Path(store.root) / "sequences" / sequence_name(line.folder) / "calib.txt"
        projection = _matrix(read_calibration(path), path, f"P{cam}", (3, 4))
        size = store.native_size(*line)
    else:
        path = calibration_dir(store.root, line.folder) / "calib_cam_to_cam.txt"
        calibration = read_calibration(path)
        projection = _matrix(calibration, path, f"P_rect_0{cam}", (3, 4))
        width, height = _matrix(calibration, path, f"S_rect_0{cam}", (2,))
        size = (int(height), int(width))
    return (projection[0, 0], projection[1, 1], projection[0, 2], projection[1, 2]), size


# ---------------------------------------------------------------- velodyne


def load_scan(path: Path | PackedScan | str) -> np.ndarray:
    """(N, 4) float32: x forward, y left, z up in metres of the scanner's frame, and reflectance."""
    try:
        raw = (Path(path) if isinstance(path, str) else path).read_bytes()
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
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
    scan_path: Path | PackedScan | str,
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
    points = load_scan(scan_path)
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


def scanner_to_image(calib_dir: Path, cam: int) -> tuple[np.ndarray, tuple[int, int]]:
    """(3, 4) projection from the velodyne frame to pixels of camera `cam`, and the image's (height, width)."""
    camera_file, scanner_file = calib_dir / "calib_cam_to_cam.txt", calib_dir / "calib_velo_to_cam.txt"
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


def resize_nearest(depth: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width) nearest-neighbour resize of depth (H, W), any unit, with half-pixel centres.

    The same values as skimage.transform.resize(order=0), which the published code calls and a test compares with. Our own,
    because it takes a third of the time where the sizes differ and spares every training 0.5 s of importing scipy.
    """
    rows = ((np.arange(height) + 0.5) * depth.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * depth.shape[1] / width).astype(np.int64)
    return depth[rows[:, None], columns[None, :]]


def training_depth(root: Path, line: SplitLine) -> np.ndarray:
    """(375, 1242) float32 ground truth of a raw frame for the metrics logged in training; zeros without a scan."""
    scan = scan_path(root, line.folder, line.frame)
    if not scan.is_file():
        return np.zeros(TRAINING_DEPTH_SIZE, np.float32)
    depth = velodyne_depth(calibration_dir(root, line.folder), scan, CAMERA[line.side])
    return resize_nearest(depth, *TRAINING_DEPTH_SIZE).astype(np.float32)
