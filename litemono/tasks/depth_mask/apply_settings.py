"""The flags of litemono.segment_apply, and what they leave to the run that the weights are of. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from litemono.data.datasets.composites import KINDS, SPLIT_SEED, VAL_SHARE
from litemono.data.settings import default_workers
from litemono.tasks.depth_mask.settings import AccuracyConfig, check_accuracy
from litemono.utils.atomic_files import read_json
from litemono.utils.errors import UserError, require

Part = Literal["val", "train", "all"]


@dataclass(frozen=True)
class ApplyConfig:
    """Which pictures, by which network."""

    load_weights: Path
    """Weights folder of litemono segment, such as RUN/models/best_mask_iou."""
    data_path: Path | None = None
    """Pictures: as in training, but mask/ and depth/ may be absent. Default: those of the run."""
    part: Part | None = None
    """val: those of the backgrounds that the run did not train on. Default: val for the run's own data, else all."""
    output: Path | None = None
    """Folder for NAME_mask.png and NAME_depth.png of each picture, and metrics.json. Default: print the numbers alone."""
    batch_size: int = 32
    """Pictures per forward pass."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    num_workers: int = field(default_factory=default_workers)
    """Threads that read pictures. Default: one per core, at most 8."""
    accuracy: AccuracyConfig = field(default_factory=AccuracyConfig)


class RunData(NamedTuple):
    """Which pictures, once the run's settings are known."""

    data_path: Path
    part: Part
    val_share: float
    split_seed: int


def check_output(output: Path | None, data_path: Path) -> None:
    """UserError for a file, and for a folder that is read as pictures."""
    if output is None:
        return
    require(not output.is_file(), f"--output {output}: is a file; give a folder")
    read = {(data_path / kind).resolve() for kind in KINDS}
    require(
        not read & {output.resolve(), *output.resolve().parents},
        f"--output {output}: predictions there would be read as pictures of --data_path {data_path}; choose another folder",
    )


def run_data(config: ApplyConfig) -> RunData:
    """The flags completed by config.json beside the weights. UserError for impossible flags."""
    for name, least in (("batch_size", 1), ("num_workers", 0)):
        require(getattr(config, name) >= least, f"--{name} {getattr(config, name)}: must be at least {least}")
    check_accuracy(config.accuracy)
    require(
        config.load_weights.is_dir(),
        f"--load_weights {config.load_weights}: no such folder; give one like RUN/models/last",
    )
    file = config.load_weights / "config.json"
    data = read_json(file).get("data", {})
    try:
        own = Path(data["data_path"]) if "data_path" in data else None
        share, seed = float(data.get("val_share", VAL_SHARE)), int(data.get("split_seed", SPLIT_SEED))
    except (TypeError, ValueError, AttributeError):
        raise UserError(f"{file} is damaged; restore it, or delete it and give --data_path and --part all") from None
    path = config.data_path or own
    if path is None:
        raise UserError(f"{file} does not say what was trained on; give --data_path")
    require(path.exists(), f"--data_path {path}: there is no such folder or zip")
    check_output(config.output, path)
    is_own = own is not None and path.resolve() == own.resolve()
    require(
        own is not None or config.part in (None, "all"),
        f"--part {config.part}: {file} does not say which backgrounds were held out; leave it out",
    )
    return RunData(path, config.part or ("val" if is_own else "all"), share, seed)
