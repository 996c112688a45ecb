"""What litemono.compare reads from run folders: settings, validation results of each epoch, and the batches they are means of."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from litemono.jobs.runs import Run, read_runs
from litemono.tasks import COMMANDS
from litemono.utils.atomic_files import listing, read_json
from litemono.utils.errors import UserError, require

NOT_COMPARED = {
    *("log_dir", "model_name", "stop_early", "first_rung", "reduction_factor", "profile", "tracker", "hang_minutes"),
    *("checkpoint_minutes", "keep_checkpoints", "log_every", "images_every"),
}
"""Flags that change no result."""


@dataclass(frozen=True)
class Epoch:
    """One validation of a run."""

    number: int
    """From 0."""
    results: dict[str, float]
    folder: Path
    """models/weights_N."""

    def test(self, name: str) -> TestResult | None:
        """What evaluate left beside the weights for a name such as "eval_eigen/abs_rel"."""
        file, _, metric = name.rpartition("/")
        content = self._evaluated.setdefault(file, read_json(self.folder / f"{file}.json"))
        value = numbers(content.get("all_metrics")).get(metric)
        if value is None:
            return None
        ends = entry(entry(content.get("intervals"), "images"), metric)
        ends = [*numbers(dict(enumerate(ends))).values()] if isinstance(ends, list) else []
        if len(ends) != 2:
            return TestResult(value, None)
        return TestResult(value, (ends[0], ends[1]))

    @cached_property
    def _evaluated(self) -> dict[str, dict[str, Any]]:
        return {}

    @cached_property
    def batches(self) -> Batches | None:
        return read_batches(self.folder / "validation_batches.json")


class TestResult(NamedTuple):
    """On test images, by evaluate."""

    value: float
    interval: tuple[float, float] | None
    """95 % over images."""


@dataclass(frozen=True)
class Batches:
    """The parts of each mean over the validation split."""

    identity: tuple[str, ...]
    """Sample list, batch size and processes: equal where two runs validated on the same batches."""
    parts: dict[str, np.ndarray]
    """(batches, 2) float64 total and samples, by metric."""


@dataclass(frozen=True)
class StudiedRun:
    """A run that validated at least once."""

    name: str
    state: str
    task: str
    """Name of the training command, such as finetune."""
    better: dict[str, str]
    """Metric -> "lower" or "higher", of those that choose the run's weights."""
    settings: dict[str, dict[str, Any]]
    """config.json: flags by group."""
    epochs: list[Epoch]
    """In order, at least one."""

    def best_epoch(self, metric: str) -> Epoch | None:
        """The epoch with the best value; None where there is no finite one."""
        sign = -1 if self.better.get(metric) == "higher" else 1
        finite = [epoch for epoch in self.epochs if math.isfinite(epoch.results.get(metric, math.nan))]
        return min(finite, key=lambda epoch: sign * epoch.results[metric], default=None)


@dataclass(frozen=True)
class Study:
    """Runs of one task, and those that have no result yet."""

    runs: list[StudiedRun]
    waiting: list[tuple[str, str]]
    """Name and state."""

    @property
    def task(self) -> str:
        return self.runs[0].task

    @property
    def better(self) -> dict[str, str]:
        return self.runs[0].better

    @property
    def swept(self) -> list[str]:
        """Flags that differ between the runs, in the order of config.json."""
        flags = {name: None for run in self.runs for group in run.settings.values() for name in group}
        return [
            name
            for name in flags
            if name not in NOT_COMPARED and len({text_of(value_of(run, name)) for run in self.runs}) > 1
        ]

    @property
    def metrics(self) -> list[str]:
        """Every metric that any epoch has, in the order of the files."""
        return [*{name: None for run in self.runs for epoch in run.epochs for name in epoch.results}]


def read_study(log_dir: Path) -> Study:
    """Every run below `log_dir`. UserError where none has a validation, or where they are of different tasks."""
    found: list[StudiedRun] = []
    waiting = []
    for run in read_runs(log_dir):
        studied = read_run(folder_of(log_dir, run), run)
        if studied is None:
            waiting.append((run.name, run.state))
        else:
            found.append(studied)
    states = ", ".join(f"{name} ({state})" for name, state in waiting[:5])
    require(
        found,
        f"--log_dir {log_dir}: no run has validated yet: {states}; each does at the end of its first epoch",
    )
    check_one_task(log_dir, found)
    return Study(found, waiting)


def folder_of(log_dir: Path, run: Run) -> Path:
    """A single run's folder may be given as --log_dir itself."""
    below = log_dir / run.name
    return below if below.is_dir() else log_dir


def check_one_task(log_dir: Path, runs: list[StudiedRun]) -> None:
    by_task: dict[str, list[str]] = {}
    for run in runs:
        by_task.setdefault(run.task, []).append(run.name)
    if len(by_task) > 1:
        groups = "; ".join(f"{task}: {', '.join(names[:3])}" for task, names in sorted(by_task.items()))
        raise UserError(
            f"--log_dir {log_dir}: runs of different tasks cannot be compared ({groups}); give the folder of one sweep"
        )


def read_run(folder: Path, run: Run) -> StudiedRun | None:
    """None where no validation can be read."""
    epochs, head = [], {}
    for path in sorted(listing(folder / "models", "weights_*"), key=lambda path: (len(path.name), path.name)):
        content = read_json(path / "validation.json")
        results = numbers(content.get("validation"))
        if results and isinstance(content.get("epoch"), int):
            head = content
            epochs.append(Epoch(content["epoch"], results, path))
    if not epochs:
        return None
    settings = {name: group for name, group in read_json(folder / "config.json").items() if isinstance(group, dict)}
    better = head.get("better")
    return StudiedRun(
        name=run.name,
        state=run.state,
        task=command_of(str(head.get("task", "unknown"))[:60]),
        better={name: str(way) for name, way in better.items()}
        if isinstance(better, dict) and better
        else {"loss": "lower"},
        settings=settings,
        epochs=epochs,
    )


def entry(content: Any, name: str) -> Any:
    """Of a file that anything may have written."""
    return content.get(name) if isinstance(content, dict) else None


def numbers(content: Any) -> dict[Any, float]:
    """The entries that are numbers, NaN and infinity included."""
    if not isinstance(content, dict):
        return {}
    return {
        name: float(value)
        for name, value in content.items()
        if type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)
    }


def command_of(task: str) -> str:
    """The training command of a task class."""
    names = {command.task.rpartition(":")[2]: name for name, command in COMMANDS.items()}
    return names.get(task, task)


def read_batches(path: Path) -> Batches | None:
    """None where the file is missing or damaged: runs of older versions have none."""
    content = read_json(path)
    try:
        parts = {name: np.array(rows, np.float64).reshape(-1, 2) for name, rows in content["batches"].items()}
        identity = tuple(json.dumps(content[name]) for name in ("samples", "batch_size", "processes"))
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return None
    return Batches(identity, parts)


def value_of(run: StudiedRun, flag: str) -> Any:
    return next((group[flag] for group in run.settings.values() if flag in group), None)


def text_of(value: Any) -> str:
    """A setting as it is typed after its flag."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(map(text_of, value))
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
