"""python -m benchmarks.busy_machine: training speed beside other work, by how OpenMP's idle threads wait.

litemono's commands choose how they wait (litemono/utils/openmp.py); this is what it gains on a busy machine and costs on an
idle one. Every measurement is a process of its own, because OpenMP reads its settings when torch is imported.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from litemono.utils import cli
from litemono.utils.openmp import SHORT_SPIN, WAITING, choose_waiting
from litemono.utils.parallel import available_cores

DEFAULT = "torch's default"
OURS = "litemono"
SETTINGS: dict[str, dict[str, str]] = {
    DEFAULT: {},
    OURS: {},
    "short spin": SHORT_SPIN,
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
}
WARM_UP_STEPS = 2
BUSY = "while True: pass"


@dataclass(frozen=True)
class BusyConfig:
    """What is trained, and beside how much other work."""

    width: int = 192
    """Input width."""
    height: int = 64
    """Input height."""
    batch: int = 4
    """Samples per step."""
    others: tuple[int, ...] = (0, 2)
    """Numbers of processes that keep a core busy meanwhile; 0 is an idle machine."""
    repeats: int = 4
    """Rounds, in which all settings take turns."""
    seconds: float = 5.0
    """Length of each measurement, at least one step."""
    json: Path | None = None
    """Write the results to this file."""


def busy_machine(config: BusyConfig) -> None:
    """Train beside other work, with each way of waiting.

    Example: python -m benchmarks.busy_machine --json benchmarks/results/busy_machine.json
    """
    rates: dict[int, dict[str, list[float]]] = {}
    for others in config.others:
        rates[others] = {name: [] for name in SETTINGS}
        for _ in range(config.repeats):
            for name in SETTINGS:
                rates[others][name].append(measure(config, name, others))
    show(config, rates)
    if config.json:
        record(config.json, config, rates)


def measure(config: BusyConfig, name: str, others: int) -> float:
    """Images per second of a new process with these settings."""
    environment = {key: value for key, value in os.environ.items() if key not in (*WAITING, "OMP_NUM_THREADS")}
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(others)]
    try:
        sizes = map(str, (config.width, config.height, config.batch, config.seconds))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.busy_machine", "train", *sizes, name],
            env={**environment, **SETTINGS[name]},
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return float(done.stdout)


def train(width: int, height: int, batch: int, seconds: float) -> float:
    """Images per second of training steps in this process."""
    import torch

    from benchmarks.step_subjects import Case, Inputs, build

    step = build("fp32", Inputs(Case("lite-mono", width, height, batch), torch.device("cpu"))).step
    for _ in range(WARM_UP_STEPS):
        step()
    start, steps = time.monotonic(), 0
    while not steps or time.monotonic() - start < seconds:
        step()
        steps += 1
    return batch * steps / (time.monotonic() - start)


def ratio(rates: dict[str, list[float]], name: str) -> float:
    """Median over the rounds of the speed in terms of torch's default in the same round."""
    return statistics.median(ours / plain for ours, plain in zip(rates[name], rates[DEFAULT], strict=True))


def record(path: Path, config: BusyConfig, rates: dict[int, dict[str, list[float]]]) -> None:
    import torch  # not before the processes above were measured

    from benchmarks.machine import machine
    from benchmarks.record import write_record

    measured = {
        "case": f"lite-mono {config.width}x{config.height} batch {config.batch}, fp32",
        "settings": SETTINGS,
        "rows": [
            {
                "others": others,
                "setting": name,
                "images_per_s": rates[others][name],
                "ratio": ratio(rates[others], name),
            }
            for others in rates
            for name in SETTINGS
        ],
    }
    write_record(path, machine(torch.device("cpu")), measured)


def show(config: BusyConfig, rates: dict[int, dict[str, list[float]]]) -> None:
    table = Table(title=f"lite-mono {config.width}x{config.height}, batch {config.batch}, {available_cores()} cores")
    for column in ("other processes", "setting", "images/s", "in terms of the default"):
        table.add_column(column, justify="left" if column == "setting" else "right")
    for others, named in rates.items():
        for name, values in named.items():
            table.add_row(str(others), name, f"{statistics.median(values):.2f}", f"{ratio(named, name):.2f}")
    Console().print(table)


def main() -> None:
    if sys.argv[1:2] == ["train"]:
        width, height, batch = map(int, sys.argv[2:5])
        if sys.argv[6] == OURS:
            choose_waiting()
        print(train(width, height, batch, float(sys.argv[5])))
        return
    cli.run(busy_machine, BusyConfig, "python -m benchmarks.busy_machine")


if __name__ == "__main__":
    main()
