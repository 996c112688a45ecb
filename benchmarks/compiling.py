"""python -m benchmarks.compiling: how long --compile delays a training's first start, and its later ones, part by part."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.step_subjects import Case, Inputs
from benchmarks.train_step import parse_size
from litemono.engine.precision import apply_precision, choose_precision
from litemono.engine.settings import Precision
from litemono.tasks.monodepth.settings import CompiledPart
from litemono.tasks.monodepth.task import Monodepth
from litemono.utils import cli
from litemono.utils.compiling import CACHE
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError, require

STARTS = ("first", "second")  # with an empty folder for compiled code, and with the folder that the first one left
ONE_START = "import sys; from benchmarks.compiling import one_start; one_start(*sys.argv[1:])"


@dataclass(frozen=True)
class CompilingConfig:
    """What is compiled."""

    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    model: str = "lite-mono"
    """Depth network."""
    size: str = "640x192"
    """WIDTHxHEIGHT."""
    batch: int = 2
    """Samples; the time hardly depends on it."""
    precision: Precision | None = None
    """Default: what training takes on this device."""
    parts: tuple[CompiledPart, ...] = get_args(CompiledPart)
    """One after the other, as --compile_parts does."""
    json: Path | None = None
    """Write the results to this file."""


@dataclass(frozen=True)
class Start:
    """Of one process, from its first import to compiled parts that have been compared with their plain code."""

    start: str
    seconds: dict[str, float]
    """By part."""
    graphs: dict[str, int]
    """That torch compiled, forward passes."""
    cpu_seconds: float
    """Of the process and all compilers."""

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def measure(config: CompilingConfig) -> int:
    """Compile the parts in a new process with an empty folder for compiled code, and in another with what that one left.

    Example: python -m benchmarks.compiling --json compiling.json
    """
    require(config.batch > 0 and config.parts, "--batch and --parts: give at least one")
    device = choose_device(config.device)
    case = Case(config.model, *parse_size(config.size), config.batch)
    precision = choose_precision(config.precision, device)
    starts = []
    with tempfile.TemporaryDirectory() as cache:
        for name in STARTS:
            starts.append(in_own_process(name, case, device, precision, config.parts, cache))
            show(case, starts)
    found = [{**asdict(start), "total": start.total} for start in starts]
    write_record(config.json, machine(device), {**asdict(case), "precision": precision, "starts": found})
    return cli.FINISHED


def in_own_process(
    name: str, case: Case, device: torch.device, precision: Precision, parts: tuple[str, ...], cache: str
) -> Start:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = (json.dumps(asdict(case)), device.type, precision, *parts)
    done = subprocess.run(
        [sys.executable, "-c", ONE_START, *words], env={**os.environ, CACHE: cache}, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise UserError(f"compiling ended with {done.returncode}, see above")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = json.loads(done.stdout.splitlines()[-1])
    return Start(name, found["seconds"], found["graphs"], cpu)


def one_start(case: str, device: str, precision: Precision, *parts: CompiledPart) -> None:
    """Print seconds and graphs of each part, as JSON."""
    from torch._dynamo.utils import counters

    apply_precision(precision)
    inputs = Inputs(Case(**json.loads(case)), torch.device(device))
    torch.manual_seed(0)
    model = Monodepth(inputs.settings).build(inputs.device, precision)
    seconds, graphs = {}, {}
    for part in parts:
        task = Monodepth(replace(inputs.settings, loss=replace(inputs.settings.loss, compile_parts=(part,))))
        before, start = counters["stats"]["unique_graphs"], time.perf_counter()
        task.compile(model, inputs.device, precision)
        seconds[part] = time.perf_counter() - start
        graphs[part] = counters["stats"]["unique_graphs"] - before
    print(json.dumps({"seconds": seconds, "graphs": graphs}))


def show(case: Case, starts: list[Start]) -> None:
    table = Table(title=f"{case}: seconds", title_justify="left")
    for name in ("start", *starts[0].seconds, "all", "CPU time"):
        table.add_column(name, justify="left" if name == "start" else "right")
    for start in starts:
        cells = (f"{value:.1f} ({start.graphs[part]})" for part, value in start.seconds.items())
        table.add_row(start.start, *cells, f"{start.total:.1f}", f"{start.cpu_seconds:.0f}")
    Console(width=max(100, Console().width), highlight=False).print(table)


def main() -> None:
    cli.run(measure, CompilingConfig, "python -m benchmarks.compiling")


if __name__ == "__main__":
    main()
