"""Which of evaluate's flags go together, and whether what they name is there: checks that need no data and no torch."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from litemono.utils.errors import UserError, require
from networks.metric_head import metric_head

from .robustness.settings import check_robustness
from .settings import EvaluateConfig, protocol_of


def check(config: EvaluateConfig) -> None:
    """Raise UserError for flags that do not go together or have impossible values."""
    if config.compare:
        check_comparison(config)
        for one in compared(config):
            check(one)
        return
    network = config.network.load_weights is not None
    require(
        network != (config.predictions.pred is not None),
        "give either --load_weights FOLDER or --pred FOLDER_OR_FILE (also called --load_pred)",
    )
    require(
        network or not (config.protocol.post_process or config.network.save_pred),
        "--post_process and --save_pred need a network: they do not go with --pred",
    )
    require(
        not network or config.protocol.align != "per_video",
        "--align per_video reads predictions two times: write them with --save_pred, then give them as --pred",
    )
    if config.network.metric_head is not None:
        require(network, "--metric_head needs a network: it does not go with --pred")
        metric_head(config.network.metric_head)
    check_paths(config)
    check_robustness(config.robustness, network)
    for name, given in (
        ("against", config.against),
        ("save_pred", config.network.save_pred),
        ("report", config.report),
    ):
        require(
            not (given and config.robustness.corruptions), f"--{name} does not go with --corruptions; leave one out"
        )
    check_epochs(config)
    require(
        network or config.network.data_path is not None or config.truth.gt_path is not None,
        "--pred needs ground truth: --gt_path FILE_OR_FOLDER (or --data_path)",
    )
    for name, factor in (("png_factor", config.predictions.png_factor), ("gt_factor", config.truth.gt_factor)):
        require(factor is None or 0 < factor < float("inf"), f"--{name} {factor}: must be positive")
    for name, value in (("batch_size", config.network.batch_size), ("num_workers", config.num_workers)):
        require(value >= 1, f"--{name} {value}: must be at least 1")
    protocol_of(config.protocol, "")
    scale = config.protocol.pred_depth_scale
    require(0 < scale < float("inf"), f"--pred_depth_scale {scale}: must be positive")


def check_paths(config: EvaluateConfig) -> None:
    """Raise UserError for files and folders that are not there, before torch is imported."""
    weights, folder, other = config.network.load_weights, config.network.data_path, config.against
    require(
        weights is None or weights.exists(),
        f"--load_weights {weights}: there is no such folder; give one like RUN/models/last",
    )
    require(folder is None or folder.is_dir(), f"--data_path {folder}: there is no such folder")
    require(other is None or other.exists(), f"--against {other}: there is no such file")


def writable(path: Path) -> Path:
    """The path of a file to write in the end; UserError before the work where it cannot be written."""
    place = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not place.is_dir() or not os.access(place, os.W_OK):
        raise UserError(f"{path}: no file can be written there; give another place: --output errors.json")
    return path


def check_comparison(config: EvaluateConfig) -> None:
    """Raise UserError for flags that do not go with --compare."""
    require(len(config.compare) > 1, "--compare: give two or more weights folders or predictions")
    require(config.report is not None, "--compare needs a file to write: --report comparison.html")
    single = {
        "--load_weights": config.network.load_weights,
        "--pred": config.predictions.pred,
        "--save_pred": config.network.save_pred,
        "--against": config.against,
        "--output": config.output,
        "--all_epochs": config.network.many_epochs,
        "--corruptions": config.robustness.corruptions,
    }
    given = ", ".join(name for name, value in single.items() if value)
    require(not given, f"{given}: does not go with --compare; leave it out")
    for path in config.compare:
        require(path.exists(), f"--compare {path}: there is no such file or folder")


def compared(config: EvaluateConfig) -> list[EvaluateConfig]:
    """The evaluations of --compare: a folder with .pth or .pt files is a network, everything else are predictions."""
    return [_one_of(config, path) for path in config.compare]


def _one_of(config: EvaluateConfig, path: Path) -> EvaluateConfig:
    if path.suffix == ".pt" or (path.is_dir() and any(file.suffix in (".pth", ".pt") for file in path.iterdir())):
        return replace(config, compare=(), network=replace(config.network, load_weights=path))
    return replace(config, compare=(), predictions=replace(config.predictions, pred=path))


def check_epochs(config: EvaluateConfig) -> None:
    """Raise UserError for flags that do not go with several epochs."""
    last, flags = config.network.last_epochs, config.network
    require(last is None or last >= 1, f"--last_epochs {last}: must be at least 1")
    if not flags.many_epochs:
        return
    require(
        flags.load_weights is not None,
        "--all_epochs and --last_epochs need a run folder: --load_weights runs/mytrain instead of --pred",
    )
    other = {
        "--corruptions": config.robustness.corruptions or None,
        "--save_pred": flags.save_pred,
        "--against": config.against,
        "--output": config.output,
        "--report": config.report,
    }
    given = ", ".join(name for name, value in other.items() if value is not None)
    require(
        not given,
        f"{given}: for one evaluation; leave it out, or leave out --all_epochs and --last_epochs and give one of the epochs as "
        "--load_weights",
    )
