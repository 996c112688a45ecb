"""The flags of refinement's data: images with ground truth, the depth to refine, and object masks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from litemono.data.datasets import registry
from litemono.data.depth_settings import AUGMENT_HELP, FIT_HELP, AugmentName, DepthSet, with_depth
from litemono.data.fit import FitName
from litemono.data.settings import FramesConfig, check_data
from litemono.utils.errors import require

DATASET_HELP = "; ".join(f"{name}: {registry.get(name).summary}" for name in with_depth()) + "."


@dataclass(frozen=True)
class RefineDataConfig(FramesConfig):
    """Where images, ground truth and the depth to refine are, and how they are read."""

    dataset: Annotated[str, arg(help=DATASET_HELP)] = FramesConfig.dataset
    depth_factor: float | None = None
    """Numbers for one metre in the files of ground truth: 256 for KITTI, 1000 for millimetres. Default: as the data set is
    published."""
    frozen_depth: Path | None = None
    """Folder with the depth that another network gave the images. It mirrors them: for DATA/run_1/a.jpg it has run_1/a.png (16
    bits), a_depth.png or a_disp.npy of litemono predict, or a.npy. Default: what `litemono prepare maps` has packed."""
    frozen_is: Literal["depth", "inverse"] = "depth"
    """depth: metres, or depth up to one scale and shift. inverse: larger is nearer (DPT, MiDaS, every _disp.npy)."""
    frozen_factor: float = 256.0
    """Numbers for one metre in PNGs of --frozen_depth; 256 as predict --depth_png writes. In .npy files 1 is one metre."""
    object_masks: Path | None = None
    """Folder with object masks, which mirrors the images too: PNGs with 0 and one other value. Default: those that are packed,
    else none."""
    fit: Annotated[FitName, arg(help=FIT_HELP)] = "stretch"
    augment: Annotated[AugmentName, arg(help=AUGMENT_HELP)] = "lite-mono"

    def chosen(self) -> DepthSet:
        """The data set; UserError where it has no ground truth."""
        require(
            self.dataset in with_depth(),
            f"--dataset {self.dataset} has no depth pictures to train on; those that have: {', '.join(with_depth())}",
        )
        return DepthSet(registry.get(self.dataset), self.data_path, self.split, None, self.depth_factor)


def check_refine_data(data: RefineDataConfig) -> None:
    """Raise UserError for folders that are not there and impossible numbers."""
    data.chosen()
    check_data(data)
    for name in ("frozen_depth", "object_masks"):
        folder = getattr(data, name)
        require(folder is None or folder.is_dir(), f"--{name} {folder}: no such folder")
    for name in ("frozen_factor", "depth_factor"):
        value = getattr(data, name)
        require(value is None or 0 < value < math.inf, f"--{name} {value}: must be positive and finite")
