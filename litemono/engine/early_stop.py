"""Early stopping of bad runs in a sweep: asynchronous successive halving without a server.

ASHA (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning"), in the variant that stops runs instead of
pausing them. Rungs lie after FIRST_RUNG * REDUCTION_FACTOR^k epochs. A run that reaches a rung writes its best result so far
into early_stop.json of its folder, reads those of the runs beside it, and continues if it is among the best
1 / REDUCTION_FACTOR of those that have been there. It waits for no other run, and while fewer than REDUCTION_FACTOR runs
have been there it continues.

A verdict is written down, and is the same after a resume. A stopped run has its checkpoint: without --stop_early it resumes
as if it had never been stopped.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from litemono.engine.distributed import Processes
from litemono.engine.resume import Progress
from litemono.engine.settings import RunConfig, TrainingConfig
from litemono.engine.task import Task
from litemono.utils.atomic_files import listing, read_json, write_json
from litemono.utils.errors import require
from litemono.utils.typed_json import well_typed

FILE = "early_stop.json"


class Verdict(NamedTuple):
    """What was decided about a run at a rung."""

    rung: int
    """Epochs trained."""
    value: float | None
    """Its best result so far; None where it has no finite one, which ranks last."""
    better: int
    """How many of the runs at this rung had a better one."""
    runs: int
    """How many had been at this rung, this one included."""
    stopped: bool


class Stoppable(Protocol):
    """What is looked at of an engine.training.Training."""

    config: TrainingConfig
    task: Task
    processes: Processes
    progress: Progress


def check_metric(config: TrainingConfig, task: Task) -> None:
    """UserError where --stop_early is no result by which the task chooses weights."""
    name = config.run.stop_early
    require(
        name is None or name in task.best,
        f"--stop_early {name}: this training has no such result; choose from {', '.join(task.best)}",
    )


def is_rung(run: RunConfig, epochs: int) -> bool:
    """Whether runs are compared after so many epochs."""
    rung = run.first_rung
    while rung < epochs:
        rung *= run.reduction_factor
    return rung == epochs


def verdict(t: Stoppable) -> Verdict | None:
    """On rank 0 the verdict of the rung at which the training stands, None where it stands at none; None on other ranks."""
    run, progress = t.config.run, t.progress
    name = run.stop_early
    if name is None or progress.samples or not is_rung(run, progress.epoch):
        return None
    higher = t.task.best[name].higher
    value = progress.best.get(name)
    folder = t.config.folder
    return t.processes.on_main(lambda: decide(folder, name, higher, progress.epoch, value, run.reduction_factor))


def decide(folder: Path, metric: str, higher: bool, rung: int, value: float | None, factor: int) -> Verdict:
    """The verdict that the run's folder has already, or a new one from the folders beside it."""
    known = read_rungs(folder, metric)
    if {"better", "runs", "stopped"} <= known.get(rung, {}).keys():
        return Verdict(rung, **known[rung])
    known[rung] = {"value": value}
    write_rungs(folder, metric, known)  # before others are read: of two runs at the same time one sees both
    files = [path / FILE for path in listing(folder.parent, "*") if path.name != folder.name]
    beside = [read_rungs(file.parent, metric) for file in files if file.is_file()]
    others = [rungs[rung]["value"] for rungs in beside if rung in rungs]
    better = sum(is_better(other, value, higher) for other in others)
    runs = len(others) + 1
    found = Verdict(rung, value, better, runs, stopped=runs >= factor and better >= runs // factor)
    known[rung] = {name: part for name, part in found._asdict().items() if name != "rung"}
    write_rungs(folder, metric, known)
    return found


def is_better(other: float | None, value: float | None, higher: bool) -> bool:
    worst = -math.inf if higher else math.inf
    a, b = (worst if number is None or math.isnan(number) else number for number in (other, value))
    return a > b if higher else a < b


def read_rungs(folder: Path, metric: str) -> dict[int, dict[str, Any]]:
    """What a run noted at each rung, by epochs; {} where it has no such file, or one of another metric."""
    content = read_json(folder / FILE)
    rungs = content.get("rungs")
    if content.get("metric") != metric or not isinstance(rungs, dict):
        return {}
    return {
        int(epochs): {"value": note["value"], **well_typed(note, {"better": int, "runs": int, "stopped": bool})}
        for epochs, note in rungs.items()
        if epochs.isdecimal() and isinstance(note, dict) and isinstance(note.get("value", ""), float | int | None)
    }


def write_rungs(folder: Path, metric: str, rungs: dict[int, dict[str, Any]]) -> None:
    write_json(folder / FILE, {"metric": metric, "rungs": {str(epochs): note for epochs, note in rungs.items()}})


def explained(found: Verdict, config: TrainingConfig) -> str:
    """For the log, status.json and litemono.status."""
    name, kept = config.run.stop_early, found.runs // config.run.reduction_factor
    value = "no result" if found.value is None else f"{found.value:.4g}"
    return (
        f"stopped early after {found.rung} of {config.optim.num_epochs} epochs: {name} {value}, {found.better} of "
        f"{found.runs} runs at this rung are better and {kept} may continue; the same command without --stop_early resumes it"
    )
