"""Which of evaluate's flags go with --split odom_09."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from litemono.utils.errors import require

from ..checks import check_paths
from ..settings import EvaluateConfig

LAST_WITH_POSES = 10  # KITTI keeps those of sequences 11 to 21
TAKEN = {
    *("load_weights", "height", "width", "data_path", "png", "device", "batch_size"),
    *("pred", "split", "gt_path", "output", "num_workers"),
}


def sequence_of(split: str | None) -> str | None:
    """ "09" of odom_09 or odom_9; None for other splits."""
    found = re.fullmatch(r"odom_(\d{1,2})", split or "")
    return f"{int(found[1]):02d}" if found else None


def check_odometry(config: EvaluateConfig) -> None:
    """Raise UserError for flags that do not go together or do nothing here."""
    split, pred = config.truth.split, config.predictions.pred
    require(
        int(sequence_of(split) or 0) <= LAST_WITH_POSES,
        f"--split {split}: KITTI gives poses of sequences 00 to 10 only",
    )
    require(
        (config.network.load_weights is not None) != (pred is not None),
        f"--split {split}: give either --load_weights FOLDER with a pose network or --pred TRAJECTORY in KITTI's format",
    )
    other = [name for name in _changed(config, EvaluateConfig()) if name not in TAKEN]
    require(not other, f"--{other[0] if other else ''} does not go with --split {split}; leave it out")
    check_paths(config)
    require(
        pred is None or config.network.data_path is not None or config.truth.gt_path is not None,
        f"--pred needs the true poses: --gt_path poses/{sequence_of(split)}.txt, or --data_path KITTI_ODOMETRY",
    )
    for name, value in (("batch_size", config.network.batch_size), ("num_workers", config.num_workers)):
        require(value >= 1, f"--{name} {value}: must be at least 1")
    for name, size in (("height", config.network.height), ("width", config.network.width)):
        require(size is None or size >= 32, f"--{name} {size}: must be at least 32")


def _changed(config: Any, default: Any) -> list[str]:
    """Names of the flags that are not at their default."""
    names = []
    for part in dataclasses.fields(config):
        value, usual = getattr(config, part.name), getattr(default, part.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, Path):
            names += _changed(value, usual)
        elif value != usual:
            names.append(part.name)
    return names
