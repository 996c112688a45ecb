"""The flags of training data with ground truth: which data sets, how they are mixed, fitted and augmented."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from tyro.conf import arg

from litemono.data.datasets import registry
from litemono.data.datasets.base import Dataset, DepthIs
from litemono.data.fit import FitName
from litemono.data.mix_flag import EQUAL, parse_mix
from litemono.data.settings import SPLIT_HELP, FramesConfig
from litemono.utils.errors import require

AugmentName = Literal["lite-mono", "bts", "bts-nyu", "dpt", "midas", "none"]
FIT_HELP = (
    "How an image becomes --width x --height. stretch: resized; cover: resized with its aspect, the rest cut off; kb_crop: not "
    "resized, KITTI's common 1216x352; native: not resized. With the last two --augment crops to --width x --height, and "
    "validation sees all."
)
AUGMENT_HELP = (
    "lite-mono: flip and colours; bts: rotation, crop, flip, gamma, brightness, colours as for KITTI, bts-nyu as for NYU; dpt "
    "and midas: crop and flip."
)
OWN: Literal["own"] = "own"


def with_depth() -> list[str]:
    """Names of the data sets that have ground truth."""
    return [name for name, dataset in registry.DATASETS.items() if "depth" in dataset.pictures]


DATASET_HELP = (
    "One data set, or several with commas (kitti_depth,redweb), which --mix puts into each batch. "
    + "; ".join(f"{name}: {registry.get(name).summary}" for name in with_depth())
    + "."
)


class DepthSet(NamedTuple):
    """One of the data sets, as the flags give it."""

    dataset: Dataset
    root: Path
    split: str | None
    depth_is: DepthIs | None
    factor: float | None


@dataclass(frozen=True)
class DepthDataConfig(FramesConfig):
    """Where the frames and their depth are, and how they are read."""

    data_path: Path = FramesConfig.data_path
    """Folder with the data; for several data sets one folder each, with commas."""
    dataset: Annotated[str, arg(help=DATASET_HELP)] = FramesConfig.dataset
    split: Annotated[
        str | None, arg(help=f"{SPLIT_HELP} For several data sets one each, with commas; own: its default.")
    ] = None
    mix: str = EQUAL
    """Share of each data set in every batch: equal, or whole numbers in the order of --dataset (2,1). round-robin: a batch of
    each in turn. An epoch ends when the last data set has been seen once; shorter ones begin again."""
    depth_is: tuple[Literal["own", "metres", "disparity", "relative"], ...] = ()
    """What ground truth means, one value for each data set. disparity: a multiple of inverse depth; relative: inverse depth up to
    scale and shift; larger is nearer in both. Default: own, as the data set is published."""
    depth_factor: tuple[float, ...] = ()
    """Numbers for one metre in the depth files, one value for each data set: 256 for KITTI, 1000 for millimetres. 0: its own."""
    fit: Annotated[FitName, arg(help=FIT_HELP)] = "stretch"
    augment: Annotated[AugmentName, arg(help=AUGMENT_HELP)] = "lite-mono"

    @property
    def names(self) -> list[str]:
        """Of the data sets."""
        return self.dataset.split(",")

    def sets(self) -> list[DepthSet]:
        """The data sets. UserError where the flags do not fit them or each other."""
        names = self.names
        require(
            len(set(names)) == len(names),
            f"--dataset {self.dataset}: names a data set twice; give each once, and --mix",
        )
        for name in names:
            require(
                name in with_depth(),
                f"--dataset {name} has no depth pictures to train on; those that have: {', '.join(with_depth())}",
            )
        kinds = [registry.get(name) for name in names]
        roots = str(self.data_path).split(",") if len(names) > 1 else [str(self.data_path)]
        require(
            len(roots) == len(names),
            f"--data_path {self.data_path}: {len(roots)} folders for {len(names)} data sets; give one each, with commas",
        )
        splits = names_of(self.split, len(names))
        for flag, values in (("split", splits), ("depth_is", self.depth_is), ("depth_factor", self.depth_factor)):
            require(
                len(values) in (0, len(names)),
                f"--{flag}: {len(values)} values for {len(names)} data sets; give one each",
            )
        require(
            all(0 <= factor < math.inf for factor in self.depth_factor), "--depth_factor: must be positive and finite"
        )
        given = zip(
            kinds,
            roots,
            splits or repeat(OWN),
            self.depth_is or repeat(OWN),
            self.depth_factor or repeat(0.0),
            strict=False,
        )
        return [
            DepthSet(
                kind,
                Path(root),
                None if split == OWN else split,
                None if depth_is == "own" else depth_is,
                factor or None,
            )
            for kind, root, split, depth_is, factor in given
        ]


def names_of(split: str | None, count: int) -> list[str]:
    """The values of --split; none where it is not given."""
    if split is None:
        return []
    return split.split(",") if count > 1 else [split]


def check_depth_data(data: DepthDataConfig) -> None:
    """Raise UserError for folders that are not there and flags that do not fit the data sets."""
    for chosen in data.sets():
        name = chosen.dataset.name
        require(chosen.root.is_dir(), f"--data_path {chosen.root}: no such folder; {registry.ways_to_data(name)}")
    parse_mix(data.mix, len(data.names))
    require(data.threads >= 0, f"--num_workers {data.num_workers}: must not be negative")
