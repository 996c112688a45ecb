"""python -m benchmarks.checkpoints: how much longer the step is that saves, when a thread writes and when it waits.

The steps of a round: one that saves nothing, one that hands its checkpoint to the thread (litemono.engine.checkpoint_writer), one
beside that thread, and one that waits until its checkpoint is complete.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.step_subjects import Case, Inputs, freeze, task_and_model
from litemono.engine.checkpoint_writer import CheckpointWriter
from litemono.engine.grad_guard import GradGuard
from litemono.engine.precision import apply_precision
from litemono.engine.step import TaskModule, train_step
from litemono.engine.training import adamw
from litemono.tasks.monodepth.settings import Model
from litemono.utils import cli
from litemono.utils.device import choose_device
from litemono.utils.errors import require

PLAIN, THREAD, BESIDE, WAITING = "no checkpoint", "hands it to the thread", "beside the thread", "waits for it"
KEPT = 3


@dataclass(frozen=True)
class CheckpointBenchmarkConfig:
    """What is trained."""

    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    model: Model = "lite-mono"
    """Depth network."""
    width: int = 640
    """Input width."""
    height: int = 192
    """Input height."""
    batch: int = 12
    """Samples per step."""
    rounds: int = 5
    """Of four steps each."""
    folder: Path | None = None
    """Checkpoints are written into a folder that is made in it and removed. Default: where temporary files are."""
    json: Path | None = None
    """Write the results to this file."""


def measure(config: CheckpointBenchmarkConfig) -> None:
    """Time steps that save a checkpoint and steps that do not, in turn.

    Example: python -m benchmarks.checkpoints --json benchmarks/results/checkpoints.json
    """
    require(config.rounds > 0, f"--rounds {config.rounds}: must be positive")
    device = choose_device(config.device)
    with tempfile.TemporaryDirectory(dir=config.folder) as folder:
        seconds, size = timed_steps(config, device, Path(folder))
    rows = {
        name: {"seconds": times, "ratio": statistics.median(times) / statistics.median(seconds[PLAIN])}
        for name, times in seconds.items()
    }
    show(config, rows, size)
    case = f"{config.model} {config.width}x{config.height} batch {config.batch}, fp32"
    write_record(config.json, machine(device), {"case": case, "checkpoint_mb": size / 1e6, "steps": rows})


def timed_steps(
    config: CheckpointBenchmarkConfig, device: torch.device, folder: Path
) -> tuple[dict[str, list[float]], int]:
    """Seconds of the steps by what they do, and the bytes of a checkpoint."""
    step, state = training(Case(config.model, config.width, config.height, config.batch), device)
    writer = CheckpointWriter(folder, KEPT)
    seconds: dict[str, list[float]] = {name: [] for name in (PLAIN, THREAD, BESIDE, WAITING)}
    for number in range(-1, config.rounds):  # the first round settles caches and buffers
        for place, name in enumerate(seconds):
            start = time.perf_counter()
            step()
            if name in (THREAD, WAITING):
                writer.write(4 * number + place + 4, state())
            if name == WAITING:
                writer.wait()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
            if name == BESIDE:
                writer.wait()  # not counted: in a training, the next steps are beside it too
    writer.close()
    return seconds, max(path.stat().st_size for path in folder.glob("*.pt"))


def training(case: Case, device: torch.device) -> tuple[Callable[[], object], Callable[[], dict]]:
    """A step of Lite-Mono's training that waits for its end, and its state as a checkpoint has it."""
    torch.manual_seed(0)
    apply_precision("fp32")
    inputs = Inputs(case, device)
    task, model = task_and_model(inputs, "fp32")
    optimizers = [adamw(group) for group in task.parameter_groups(model)]
    freeze(optimizers)
    guard = GradGuard(device, "fp32")
    take = partial(
        train_step, TaskModule(task, model), optimizers, inputs.batch, guard, device=device, precision="fp32"
    )
    factor = inputs.settings.optim.spike_factor

    def state() -> dict:
        states = [optimizer.state_dict() for optimizer in optimizers]
        return {"networks": model.state_dict(), "optimizers": states, "guard": guard.state_dict()}

    return lambda: take(accumulate=1, spike_factor=factor).numbers.tolist(), state


def show(config: CheckpointBenchmarkConfig, rows: dict[str, dict], size: int) -> None:
    title = f"{config.model} {config.width}x{config.height}, batch {config.batch}; checkpoint {size / 1e6:.0f} MB"
    table = Table("step", "s (median)", "ratio", title=title)
    for name, row in rows.items():
        table.add_row(name, f"{statistics.median(row['seconds']):.3f}", f"{row['ratio']:.3f}")
    Console().print(table)


def main() -> None:
    cli.run(measure, CheckpointBenchmarkConfig, "python -m benchmarks.checkpoints")


if __name__ == "__main__":
    main()
