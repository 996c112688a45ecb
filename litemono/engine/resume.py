"""Exact resume: what a checkpoint holds, what may change between two starts of a run, and how a run is restored.

    what                                   on resume
    networks, optimiser moments            restored from the checkpoint, bit by bit
    BatchNorm's running statistics         restored; those of rank 0 where there are several processes
    gradient guard (mean norm, loss scale) restored; the loss scale starts anew in another precision
    epoch, samples of it used, step, best  restored
    order of samples, augmentation         nothing to restore: functions of (seed, epoch, sample)
    drop path, noise in the loss           nothing to restore: functions of (seed, step, rank)
    learning rates                         nothing to restore: functions of the epochs trained
    TensorBoard curves                     cut back to the checkpoint's step (tensorboard.py)
    lists of samples, lossy compression    must be the same (fingerprints), else UserError
    flags in MAY_CHANGE                    may differ: they change where and how fast, not what is trained
    every other flag                       must be the same (config.json), else UserError

The newest checkpoint with a correct checksum counts (checkpoint.py). Rank 0 chooses it for all processes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from litemono.engine import checkpoint
from litemono.engine.checkpoint_paths import checkpoint_folder, checkpoint_path, checkpoints, has_checkpoints
from litemono.engine.distributed import Processes
from litemono.engine.grad_guard import GradGuard
from litemono.engine.lr_schedule import group_rates
from litemono.engine.reporter import Reporter
from litemono.engine.run_folder import RunFolder
from litemono.engine.settings import TrainingConfig, to_json
from litemono.engine.task import TaskData
from litemono.utils.atomic_files import write_json
from litemono.utils.device import is_out_of_memory
from litemono.utils.errors import UserError

FORMAT = 3  # of the checkpoints' contents

MAY_CHANGE = {
    # where the data are; the lists of samples are compared by their fingerprints
    *("data_path", "split", "skip_missing", "png", "num_workers", "stage"),
    # how it is computed
    *("device", "precision", "compile", "compile_parts", "cuda_graph", "grad_checkpoint", "batch_size", "accumulate"),
    # how long it runs, and when it gives up
    *("num_epochs", "max_steps", "max_val_steps", "max_bad_steps", "spike_factor"),
    *("stop_early", "first_rung", "reduction_factor"),
    "tracker",
    "recipe",  # chooses defaults; the settings themselves are compared
    # what is written, and where
    *(
        "checkpoint_minutes",
        "keep_checkpoints",
        "log_every",
        "images_every",
        "hang_minutes",
        "profile",
        "log_dir",
        "model_name",
    ),
}


COUNTERS = ("epoch", "samples", "step", "validated", "restarts")


@dataclass
class Progress:
    """How far a run is."""

    epoch: int = 0
    samples: int = 0
    """Training samples of this epoch already used; in samples, so that batch size and process count may change."""
    step: int = 0
    """Optimiser steps since the start of the run, skipped ones included."""
    validated: int = 0
    """Step of the last validation."""
    restarts: int = 0
    best: dict[str, float] = field(default_factory=dict)
    """Best validation results so far, by name."""


class Resumable(Protocol):
    """What is saved and restored of an engine.training.Training."""

    config: TrainingConfig
    data: TaskData
    networks: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    guard: GradGuard
    progress: Progress
    run: RunFolder | None


def check_same_run(config: TrainingConfig) -> None:
    """Raise UserError if the run folder holds a run with settings that forbid resuming it with these."""
    folder = config.folder
    if not has_checkpoints(folder):
        return
    try:
        different = differences((folder / "config.json").read_text(), config)
    except (FileNotFoundError, ValueError, TypeError, AttributeError, RecursionError, IsADirectoryError) as error:
        problem = "is not there" if isinstance(error, FileNotFoundError) else "is damaged"
        different = differences_to_checkpoint(config, f"{folder}/config.json {problem}")
    if different:
        raise UserError(
            f"{folder} holds a run with other settings ({'; '.join(different)}); "
            "use the same flags to resume it, or another --model_name"
        )


def differences_to_checkpoint(config: TrainingConfig, why: str) -> list[str]:
    """The same by the settings in the newest checkpoint; UserError(why) where it cannot be read either."""
    for path in reversed(checkpoints(checkpoint_folder(config.folder))):
        try:
            return differences(json.dumps(checkpoint.load(path)["config"]), config)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    raise UserError(f"{why}, and no checkpoint tells the flags of the run; restore it or use another --model_name")


def differences(saved: str, config: TrainingConfig) -> list[str]:
    """Flags that differ between a run folder's config.json and `config` in a way that forbids resuming."""
    then, now = json.loads(saved), json.loads(to_json(config))
    for settings in (then, now):  # the same schedule may be written with one learning rate or with all of them
        lr = settings.get("optim", {}).get("lr")
        if isinstance(lr, list):
            settings["optim"]["lr"] = [list(rate) for rate in group_rates(lr, config.default_rates)]
    fixed = set(config.fixed_by_schedule)
    return [
        f"--{name} was {str(then.get(group, {}).get(name))[:100]}, is {value}"
        for group, values in now.items()
        for name, value in values.items()
        if (name not in MAY_CHANGE or name in fixed) and then.get(group, {}).get(name, value) != value
    ]


def newest_checkpoint(run: Path, processes: Processes, report: Reporter) -> dict[str, Any] | None:
    """The newest complete checkpoint of a run folder that rank 0 sees, on every process; None where a new run starts.

    Rank 0 chooses, because processes may see a shared folder differently for a while. Raises UserError where
    checkpoints exist but all are damaged.
    """
    folder = checkpoint_folder(run)
    state = processes.on_main(lambda: checkpoint.load_newest(folder, report.say, content_problem))
    step = processes.of_main(-1 if state is None else state["progress"]["step"])
    if step >= 0 and not processes.is_main:
        state = checkpoint.load(checkpoint_path(folder, step))
    return state


def content_problem(state: dict[str, Any]) -> str | None:
    """Why a file that has its checksum is no checkpoint of a run, by the parts that it lacks."""
    wanted = {"format": int, "progress": dict, "networks": dict}
    if type(state.get("format")) is int and state["format"] == FORMAT:  # of other formats restore() tells what to do
        wanted |= {"guard": dict, "optimizers": list}
    wrong = [name for name, kind in wanted.items() if not isinstance(state.get(name), kind)]
    if not wrong:
        counters = [value for name, value in state["progress"].items() if name in COUNTERS]
        if "step" not in state["progress"] or any(type(value) is not int or value < 0 for value in counters):
            wrong = ["progress"]
        numbers = state["guard"].values() if "guard" in wanted else ()
        if any(isinstance(number, torch.Tensor) and number.numel() != 1 for number in numbers):
            wrong.append("guard")
    return f"it has its checksum, but no {' and no '.join(wrong)} of a run" if wrong else None


def state_of(training: Resumable) -> dict[str, Any]:
    """What a checkpoint holds."""
    return {
        "format": FORMAT,
        "config": json.loads(to_json(training.config)),
        "progress": asdict(training.progress),
        "guard": training.guard.state_dict(),
        "networks": training.networks.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in training.optimizers.values()],
        **training.data.fingerprints,
    }


def restore(training: Resumable, state: dict[str, Any]) -> None:
    """Put a checkpoint's state into a freshly built training; raises UserError where it does not belong."""
    folder = training.config.folder
    if state.get("format") != FORMAT:
        raise UserError(
            f"{folder}/checkpoints are of another litemono: finish the run with that version, or start another --model_name "
            "from its --load_weights models/last"
        )
    check_settings_of(training, state)
    for name, now in training.data.fingerprints.items():
        then = state.get(name)
        if not isinstance(then, str) or then != now:
            verb = "trained" if name == "data" else "validated"
            raise UserError(
                f"{folder} was {verb} on other samples ({str(then)[:100]!r}, now {now}): restore the split and the "
                "frames to resume, or use another --model_name"
            )
    try:
        training.networks.load_state_dict(state["networks"])
        for optimizer, saved in zip(training.optimizers.values(), state["optimizers"], strict=True):
            load_optimizer(optimizer, saved)
        training.guard.load_state_dict(state["guard"])
        training.progress = Progress(**state["progress"])
    except Exception as error:  # what torch raises for other content depends on what it is
        if is_out_of_memory(error):
            raise
        path = checkpoint_path(checkpoint_folder(folder), state["progress"]["step"])
        raise UserError(
            f"{path}: does not fit this run ({one_line(error)}); delete it to resume from the one before"
        ) from None
    training.progress.restarts += 1


def one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def check_settings_of(training: Resumable, state: dict[str, Any]) -> None:
    """UserError where the checkpoint is of other settings: config.json, which was compared before, was changed by hand."""
    folder = training.config.folder
    try:
        different = differences(json.dumps(state["config"]), training.config)
    except (KeyError, TypeError, ValueError, AttributeError):
        path = checkpoint_path(checkpoint_folder(folder), state["progress"]["step"])
        raise UserError(f"{path}: has no settings; delete it to resume from the one before") from None
    if different:
        if training.run:
            write_json(folder / "config.json", state["config"], indent=2)
        raise UserError(
            f"{folder}/config.json was changed after the run had begun ({'; '.join(different)}), and is restored from the "
            "checkpoint; use the flags of the run to resume it, or another --model_name"
        )


def load_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Restore the moments. How updates are computed, and the place of the learning rate, are this start's own."""
    own = [{name: group[name] for name in ("lr", "capturable", "fused", "foreach")} for group in optimizer.param_groups]
    optimizer.load_state_dict(saved)
    for group, settings in zip(optimizer.param_groups, own, strict=True):
        group.update(settings)
    match_memory_layout(optimizer)


def match_memory_layout(optimizer: torch.optim.Optimizer) -> None:
    """Lay moments out in memory like their weights, as fused updates need them: a checkpoint may be of other hardware."""
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.shape not in (parameter.shape, ()):
                raise ValueError(f"its {name} has the shape {tuple(value.shape)}, not {tuple(parameter.shape)}")
            if value.shape == parameter.shape and value.stride() != parameter.stride():
                moments[name] = torch.empty_like(parameter).copy_(value)
