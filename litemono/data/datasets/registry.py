"""Every data set by its name: --dataset, its help texts and all checks read this. A new data set adds its line here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from litemono.data.datasets.base import Dataset, PackableDataset
from litemono.data.datasets.composites import COMPOSITES
from litemono.data.datasets.frames import FRAMES
from litemono.data.datasets.kitti_depth import KITTI_DEPTH, STREET
from litemono.data.datasets.kitti_odometry import KITTI_ODOMETRY
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.datasets.nyu import NYU
from litemono.data.datasets.pairs import MOTORCYCLE, PAIRS, REDWEB
from litemono.data.datasets.pictures import PictureDataset
from litemono.utils.errors import UserError

SETS = KITTI_RAW, KITTI_ODOMETRY, FRAMES, KITTI_DEPTH, STREET, NYU, REDWEB, PAIRS, MOTORCYCLE, COMPOSITES
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in SETS}
PACKABLE = {name: dataset for name, dataset in DATASETS.items() if isinstance(dataset, PackableDataset)}
PICTURES = {name: dataset for name, dataset in DATASETS.items() if isinstance(dataset, PictureDataset)}
DEFAULT = KITTI_RAW

if TYPE_CHECKING:  # a type checker cannot read the registry
    DatasetName = str
    PackableName = str
else:
    DatasetName = Literal[tuple(DATASETS)]
    PackableName = Literal[tuple(PACKABLE | PICTURES)]

DATASET_HELP = "; ".join(f"{name}: {dataset.summary}" for name, dataset in DATASETS.items()) + "."
PACKABLE_HELP = "; ".join(f"{name}: {dataset.summary}" for name, dataset in (PACKABLE | PICTURES).items()) + "."
SPLIT_HELP = ", ".join(f"{dataset.split_summary} for {name}" for name, dataset in DATASETS.items())
PACKABLE_SPLIT_HELP = ", ".join(
    [
        *(f"{dataset.split_summary} for {name}" for name, dataset in PACKABLE.items()),
        f"all pictures for {', '.join(PICTURES)}",
    ]
)
TEST_SPLIT_HELP = ", ".join(
    f"{dataset.published_test_split} for the published training splits of {name}"
    for name, dataset in PACKABLE.items()
    if dataset.published_test_split
)


def get(name: str) -> Dataset:
    """The data set of this name; UserError with the names there are."""
    if name not in DATASETS:
        raise UserError(f"--dataset {name}: there is no such data set; choose from {', '.join(DATASETS)}")
    return DATASETS[name]


def packable(name: str) -> PackableDataset:
    """The same where `litemono.prepare` must know its drives and archives."""
    if name in PICTURES:
        archive = PICTURES[name].pictures["depth"].archive
        raise UserError(
            f"--dataset {name}: there is no address of its archives here; fetch {archive} by hand, then pack it"
        )
    if name not in PACKABLE:
        others = ", ".join(PACKABLE | PICTURES)
        raise UserError(f"--dataset {name}: cannot be packed; those that can: {others}")
    return PACKABLE[name]


def flag(name: str) -> str:
    """What a command for this data set needs: "--dataset NAME ", or nothing for the default."""
    return "" if name == DEFAULT.name else f"--dataset {name} "


def ways_to_data(name: str) -> str:
    """Where --data_path names no folder: what to type next."""
    folder = "give --data_path the folder that has the data"
    dataset = get(name)
    if not isinstance(dataset, PackableDataset):
        return folder
    if dataset.fetched_by_hand:
        return f"{folder}; {dataset.fetched_by_hand}"
    fetch = f"python -m litemono.prepare download {flag(name)}--output zips"
    return f"{folder}, fetch it ({fetch}), or try a rendered street first (python -m litemono.demo)"


def check_flags(name: str, intrinsics: str, use_stereo: bool, root: Path | None = None) -> None:
    """UserError where the data set, or its data at `root`, does not fit --intrinsics or --use_stereo."""
    dataset = get(name)
    if not dataset.video:
        raise UserError(
            f"--dataset {name} has single images, not videos; train on their depth: python -m {dataset.trained_by}"
        )
    stated = root is not None and dataset.has_cameras(root)
    if not dataset.intrinsics and "," not in intrinsics and not stated:
        raise UserError(
            f"--dataset {name} needs --intrinsics fx,fy,cx,cy (pixels of the original images){dataset.own_camera_help}"
        )
    if use_stereo and len(dataset.sides) < 2:
        pairs = " or ".join(other for other, one in DATASETS.items() if len(one.sides) > 1)
        raise UserError(f"--use_stereo needs a stereo pair: --dataset {pairs}")
