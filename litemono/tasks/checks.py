"""What the settings of several tasks check alike. Imports no torch."""

from __future__ import annotations

import math
from pathlib import Path

from litemono.engine.checkpoint_paths import has_checkpoints
from litemono.engine.settings import TrainingConfig
from litemono.utils.errors import require


def check_input_size(model: str, height: int, width: int, least: int) -> None:
    """UserError for an input that is smaller than `least`, the smallest side that the network `model` takes."""
    for name, value in (("height", height), ("width", width)):
        require(value >= least, f"--{name} {value}: must be at least {least}, the smallest size of {model}")


def check_depth_range(min_depth: float, max_depth: float) -> None:
    require(
        0 < min_depth < max_depth < math.inf,
        f"--min_depth {min_depth} --max_depth {max_depth}: depths are positive, finite and the first is smaller",
    )


def check_first_weights(config: TrainingConfig, load_weights: Path | None, mypretrain: Path | None) -> None:
    """UserError for weights that are not there, where they will be read: a run that has begun does not read them again."""
    begun = has_checkpoints(config.folder)
    for name, path in (("load_weights", load_weights), ("mypretrain", mypretrain)):
        require(path is None or begun or path.exists(), f"--{name} {path}: no such file or folder")
    require(
        load_weights is None or mypretrain is None,
        "--mypretrain would overwrite the encoder of --load_weights; give one of the two",
    )
