"""What a split needs of each drive: frames, scans, and the archives that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from litemono.data.datasets import registry
from litemono.data.datasets.base import PackableDataset
from litemono.data.datasets.registry import PackableName
from litemono.data.splits import SPLITS, SplitLine, find_split, read_split, sample_frames
from litemono.utils.errors import UserError, require

FrameKey = tuple[str, int]  # side "l" or "r", frame number
SPLIT_HELP = (
    "Name of a folder in splits/, or path of a folder with train_files.txt and so on. "
    f"Default: {registry.PACKABLE_SPLIT_HELP}."
)
TEST_SPLIT_HELP = (
    f"Split whose test frames belong to it, or none. Default: {registry.TEST_SPLIT_HELP}, else the split's own "
    "test_files.txt if it has one."
)


@dataclass(frozen=True)
class SplitConfig:
    """Which frames."""

    dataset: Annotated[PackableName, arg(help=registry.PACKABLE_HELP)] = registry.DEFAULT.name
    split: Annotated[str | None, arg(help=SPLIT_HELP)] = None
    test_split: Annotated[str | None, arg(help=TEST_SPLIT_HELP)] = None
    frame_ids: tuple[int, ...] = ()
    """Frames of a training sample relative to its target, as in training. Default: 0 -1 1, of data sets with packed depth 0."""
    use_stereo: bool = False
    """The other camera's frames as well, as in training."""

    @property
    def data(self) -> PackableDataset:
        """The data set of --dataset."""
        return registry.packable(self.dataset)

    @property
    def name(self) -> str:
        """The value of --split in force; UserError where there is none."""
        require(
            self.split or self.data.default_split, f"--dataset {self.dataset}: give --split, the folder with its lists"
        )
        return self.split or self.data.default_split


@dataclass
class Wanted:
    """What is needed of one drive (or odometry sequence)."""

    frames: set[FrameKey] = field(default_factory=set)
    scans: set[int] = field(default_factory=set)  # frames whose velodyne scan is ground truth; KITTI lacks some

    pictures: set[FrameKey] = field(default_factory=set)  # targets, whose depth is packed where the data set has it

    def add(self, line: SplitLine, offsets: Sequence[int], stereo: bool, scan: bool) -> None:
        """A sample's frames at `offsets` from its target, the other camera's frame, its scan."""
        self.frames.update((side, frame) for _, frame, side in sample_frames(line, offsets, stereo))
        self.pictures.add((line.side, line.frame))
        if scan:
            self.scans.add(line.frame)


def wanted_by(config: SplitConfig) -> dict[str, Wanted]:
    """Drive (odometry: sequence in two digits) -> what the samples of the training, validation and test lists need of it."""
    dataset = config.data
    wanted: dict[str, Wanted] = {}
    folder, lists = _lists(config)
    for which, path in lists:
        offsets = config.frame_ids or dataset.packed_frame_ids
        offsets = offsets if which != "test" else dataset.test_offsets
        stereo = config.use_stereo and which != "test"
        scans = which != "train" and dataset.scans is not None
        for line in read_split(path, dataset.sample_of_image):
            drive = wanted.setdefault(dataset.check_folder(line.folder, path), Wanted())
            drive.add(line, offsets, stereo, scans)
    if not dataset.packed_pictures:
        for drive in wanted.values():
            drive.pictures.clear()
    if not wanted:
        raise UserError(f"--split {config.name}: {folder} has no train_files.txt, val_files.txt or test_files.txt")
    return wanted


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
    else:
        test_folder = config.data.test_split_folder(folder, bool(lists))
    return folder, lists + [("test", path) for path in _test_lists(test_folder)]


def _test_lists(folder: Path) -> list[Path]:
    return sorted(folder.glob("test_files*.txt"))  # the odometry split has one for each sequence


def split_folder(split: str, flag: str) -> Path:
    """The folder of a split given by name or path."""
    found = find_split(split)
    if found is None:
        known = ", ".join(sorted(path.name for path in SPLITS.iterdir() if path.is_dir()))
        raise UserError(f"{flag} {split}: no split and no folder of that name; splits: {known}; or give a folder")
    return found


def addresses(base: str, path: str) -> list[str]:
    """Where to look for an archive: KITTI's server has a folder for each drive, many mirrors have none."""
    return [f"{base.rstrip('/')}/{place}" for place in dict.fromkeys((path, path.rsplit("/", 1)[-1]))]
