"""What a split needs of each drive: frames, scans, and the archives that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from litemono.data import kitti
from litemono.data.kitti import SPLITS, SplitLine
from litemono.utils.errors import UserError

# The test images that weights trained on the published raw splits are judged by.
PUBLISHED_TEST_SPLIT = "eigen"
KITTI_ADDRESS = "https://s3.eu-central-1.amazonaws.com/avg-kitti/raw_data"

FrameKey = tuple[str, int]  # side "l" or "r", frame number


@dataclass(frozen=True)
class SplitConfig:
    """Which frames."""

    dataset: Literal["kitti", "kitti_odom"] = "kitti"
    """kitti: raw drives; kitti_odom: odometry sequences."""
    split: str | None = None
    """Name of a folder in splits/, or path of a folder with train_files.txt and so on. Default: eigen_zhou for
    kitti, odom for kitti_odom."""
    test_split: str | None = None
    """Split whose test frames belong to it, or none. Default: eigen for the published training splits of raw KITTI,
    else the split's own test_files.txt if it has one."""
    frame_ids: tuple[int, ...] = (0, -1, 1)
    """Frames of a training sample relative to its target, as in training."""
    use_stereo: bool = False
    """The other camera's frames as well, as in training."""

    @property
    def name(self) -> str:
        """The value of --split in force."""
        return self.split or kitti.DEFAULT_SPLIT[self.dataset]


@dataclass
class Wanted:
    """What is needed of one drive (or odometry sequence)."""

    frames: set[FrameKey] = field(default_factory=set)
    scans: set[int] = field(default_factory=set)  # frames whose velodyne scan is ground truth; KITTI lacks some

    def add(self, line: SplitLine, offsets: Sequence[int], stereo: bool, scan: bool) -> None:
        """A sample's frames at `offsets` from its target, the other camera's frame, its scan."""
        self.frames.update((side, frame) for _, frame, side in kitti.sample_frames(line, offsets, stereo))
        if scan:
            self.scans.add(line.frame)


def wanted_by(config: SplitConfig) -> dict[str, Wanted]:
    """Drive (odometry: sequence in two digits) -> what the samples of the training, validation and test lists need of it."""
    wanted: dict[str, Wanted] = {}
    folder, lists = _lists(config)
    for which, path in lists:
        offsets = config.frame_ids if which != "test" else _test_offsets(config.dataset)
        stereo = config.use_stereo and which != "test"
        scans = which != "train" and config.dataset == "kitti"
        for line in kitti.read_split(path):
            drive = wanted.setdefault(_checked_folder(line.folder, config.dataset, path), Wanted())
            drive.add(line, offsets, stereo, scans)
    if not wanted:
        raise UserError(f"--split {config.name}: {folder} has no train_files.txt, val_files.txt or test_files.txt")
    return wanted


def _checked_folder(folder: str, dataset: str, path: Path) -> str:
    """The drive's one name; it becomes a place below the data root and must not leave it."""
    if dataset == "kitti_odom":
        return kitti.sequence_name(folder)
    if folder.startswith("/") or not set(folder.split("/")).isdisjoint({"", ".", ".."}):
        raise UserError(f"{path}: '{folder}' is not a drive such as 2011_09_26/2011_09_26_drive_0001_sync")
    return folder


def _lists(config: SplitConfig) -> tuple[Path, list[tuple[str, Path]]]:
    """The split's folder, and ("train", "val" or "test", file) of every list that counts."""
    folder = split_folder(config.name, "--split")
    lists = [(which, folder / f"{which}_files.txt") for which in ("train", "val")]
    lists = [(which, path) for which, path in lists if path.is_file()]
    if config.test_split == "none":
        return folder, lists
    if config.test_split is not None:
        test_folder = split_folder(config.test_split, "--test_split")
        if not _test_lists(test_folder):
            raise UserError(f"--test_split {config.test_split}: {test_folder} has no test_files.txt")
    elif lists and folder.parent == SPLITS and config.dataset == "kitti":
        test_folder = SPLITS / PUBLISHED_TEST_SPLIT
    else:
        test_folder = folder
    return folder, lists + [("test", path) for path in _test_lists(test_folder)]


def _test_lists(folder: Path) -> list[Path]:
    return sorted(folder.glob("test_files*.txt"))  # the odometry split has one for each sequence


def _test_offsets(dataset: str) -> tuple[int, ...]:
    """A line of the odometry test lists is the motion from a frame to the next one."""
    return (0, 1) if dataset == "kitti_odom" else (0,)


def split_folder(split: str, flag: str) -> Path:
    """The folder of a split given by name or path."""
    found = kitti.find_split(split)
    if found is None:
        known = ", ".join(sorted(path.name for path in SPLITS.iterdir() if path.is_dir()))
        raise UserError(f"{flag} {split}: no split and no folder of that name; splits: {known}; or give a folder")
    return found


def archives_with_calibration(dataset: str, folders: Iterable[str]) -> list[str]:
    """Paths, relative to KITTI's raw_data address, of the archives with these drives and their calibration.

    Drives that KITTI does not have (a user's own) have none.
    """
    if dataset != "kitti":
        return []
    folders = set(folders)
    names = {f"{folder.rsplit('/', 1)[-1]}.zip" for folder in folders}
    names |= {f"{folder.split('/')[0]}_calib.zip" for folder in folders}
    return [path for path in archive_paths() if path.rsplit("/", 1)[-1] in names]


def archive_paths() -> list[str]:
    """Every archive of the published list, relative to the address below which KITTI keeps its raw archives."""
    return [line.removeprefix(f"{KITTI_ADDRESS}/") for line in kitti.ARCHIVE_LIST.read_text().split()]


def addresses(base: str, path: str) -> list[str]:
    """Where to look for an archive: KITTI's server has a folder for each drive, many mirrors have none."""
    return [f"{base.rstrip('/')}/{place}" for place in dict.fromkeys((path, path.rsplit("/", 1)[-1]))]
