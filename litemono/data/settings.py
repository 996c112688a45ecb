"""Where the frames of a training are and how they are read: flags that all tasks on KITTI-like data share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from typing_extensions import Self
from tyro.conf import arg

from litemono.data.datasets import registry
from litemono.data.datasets.registry import DatasetName
from litemono.utils.errors import require
from litemono.utils.parallel import available_cores

SPLIT_HELP = (
    "Name of a folder in splits/, or path of a folder with train_files.txt and val_files.txt. "
    f"Default: {registry.SPLIT_HELP}."
)
ColorJitter = Literal["per_image", "per_triplet", "off"]


def default_workers() -> int:
    """Threads or processes for a job: one per core this process may use, at most 8."""
    return min(8, available_cores())


@dataclass(frozen=True)
class WorkersConfig:
    """How many threads read."""

    num_workers: int | None = None
    """Threads that read the data; 0 reads between the steps. Default: one per core, at most 8; in a job of
    litemono submit --cpus_per_task, at most 8."""

    def for_cores(self, cores: int) -> Self:
        """The same with one thread for each core of a job, at most 8, unless --num_workers is given."""
        return self if self.num_workers is not None else replace(self, num_workers=min(8, cores))

    @property
    def threads(self) -> int:
        """--num_workers or its default."""
        return default_workers() if self.num_workers is None else self.num_workers


@dataclass(frozen=True)
class FramesConfig(WorkersConfig):
    """Where the frames are and how they are read."""

    data_path: Path = Path("kitti_data")
    """Folder with the data: KITTI raw (2011_09_26/...), KITTI odometry (sequences/...), or a folder of frames."""
    dataset: Annotated[DatasetName, arg(help=registry.DATASET_HELP)] = registry.DEFAULT.name
    split: Annotated[str | None, arg(help=SPLIT_HELP)] = None
    png: bool = False
    """Of a frame that is there as .png (as KITTI ships it) and as .jpg, take the .png; either is read where it is alone."""
    stage: Annotated[str | None, arg(metavar="auto|DIR")] = None
    """Copy a pack to this folder on the node's own disk, once per node and while training begins, and read it there. auto:
    $SLURM_TMPDIR or $TMPDIR."""
    skip_missing: bool = False
    """Train on the split lines whose frames exist instead of stopping at the first check."""


@dataclass(frozen=True)
class DataConfig(FramesConfig):
    """Where the frames are and how they are read."""

    intrinsics: str = "published"
    """published: one normalised K for all of KITTI (0.58 W, 1.92 H, centre); calib: each drive's own calibration files;
    or fx,fy,cx,cy in pixels of the original images. A video's own intrinsics.txt (fx fy cx cy) comes before this."""
    color_jitter: ColorJitter = "per_image"
    """per_image: new colours for each frame of a triplet (what the published code does); per_triplet: the same
    colours for the whole triplet (monodepth2's intent); off: none."""


def check_data(data: FramesConfig) -> None:
    """Raise UserError for a folder that is not there and impossible numbers."""
    require(
        data.data_path.is_dir(),
        f"--data_path {data.data_path}: no such folder; {registry.ways_to_data(data.dataset)}",
    )
    require(data.threads >= 0, f"--num_workers {data.num_workers}: must not be negative")
