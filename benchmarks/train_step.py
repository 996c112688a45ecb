"""python -m benchmarks.train_step: how fast a training step is and what memory it takes, against four yardsticks."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch

import networks
from benchmarks import step_plot
from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.step_measure import MEASURED, OUT_OF_MEMORY, Job, Measured, in_own_process, say
from benchmarks.step_rows import Row, forward_gmacs, rows, show, targets
from benchmarks.step_subjects import COMPILED, GRAPHED, PUBLISHED, WHOLLY, Case
from litemono.engine.graphed_step import check_graph
from litemono.engine.precision import PRECISIONS, choose_precision, slow_precision
from litemono.engine.settings import Precision
from litemono.tasks.monodepth.settings import Model
from litemono.utils import cli
from litemono.utils.device import choose_device, cpu_features
from litemono.utils.errors import UserError, require

# What is measured unless the flags say otherwise.
MODELS = {"cuda": tuple(networks.names("disparity")), "cpu": ("lite-mono",)}
SIZES = {"cuda": ("640x192", "1024x320"), "cpu": ("640x192",)}
BATCHES = {"cuda": (1, 12, 48), "cpu": (1, 12)}
# A CPU takes fp16 too, but without units for it some fifteen times as long as fp32.
DEFAULT_PRECISIONS = {"cuda": PRECISIONS, "cpu": ("fp32", "bf16")}

FAILED = 1  # exit status


@dataclass(frozen=True)
class StepBenchmarkConfig:
    """What is measured. Flags that name several things take them one after the other: --batch 1 12."""

    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    model: tuple[Model, ...] | None = None
    """Depth networks. Default: all on a GPU, lite-mono on a CPU."""
    size: tuple[str, ...] | None = None
    """Input sizes, WIDTHxHEIGHT in multiples of 32. Default: 640x192 1024x320 on a GPU, 640x192 on a CPU."""
    batch: tuple[int, ...] | None = None
    """Samples per step. Default: 1 12 48 on a GPU, 1 12 on a CPU."""
    precision: tuple[Precision, ...] | None = None
    """Of our step: fp32, tf32, fp16, bf16. Default: those the GPU has; fp32 bf16 on a CPU. The published step is float32
    always, with torch's defaults, by which a GPU may use TF32 in convolutions but not in matrix products."""
    compile: bool = False
    """Our step also with --compile; on a GPU in its default precision alone, and there also with every part of
    --compile_parts."""
    cuda_graph: bool = False
    """Our step also with --cuda_graph, in the GPU's default precision."""
    default_precision: bool = False
    """Of our step, that precision alone which training chooses on this device."""
    repeats: int = 5
    """Rounds of timing, in which all subjects take turns."""
    memory_limit: float | None = None
    """GB that a subject may take, as on a smaller device. Default: what is free."""
    json: Path | None = None
    """Write the results to this file, anew after every case."""
    plot: Path | None = None
    """Draw them into this .png, .svg or .pdf file."""


def benchmark(config: StepBenchmarkConfig) -> int:
    """Time a real training step and take its memory: ours in every precision, against the published recipe.

    A step is all that happens to a batch of uint8 triplets that is in memory: augmentation, networks, loss, backward
    pass, two AdamW updates. Beside it stand the networks' forward and backward pass alone (the floor) and the time their
    multiply-adds would take at the speed of a large matrix product (the roofline).

    Example: python -m benchmarks.train_step --model lite-mono --batch 12 --json step.json --plot step.png
    """
    device = choose_device(config.device)
    cases = list_cases(config, device.type)
    check(config, device)
    subjects = (PUBLISHED, *list_ours(config, device))
    made_on = machine(device)
    save(config, made_on, {})
    results: dict[Case, list[Row]] = {}
    try:
        for count, case in enumerate(cases, 1):
            say(f"case {count} of {len(cases)}: {case}")
            results[case] = rows(case, measure_case(case, subjects, device.type, config))
            save(config, made_on, results)
            show(case, results[case], device.type)
    except KeyboardInterrupt:
        say(f"interrupted after {len(results)} of {len(cases)} cases")
        return cli.INTERRUPTED
    statuses = {row.measured.status for case_rows in results.values() for row in case_rows}
    return 0 if statuses <= {MEASURED, OUT_OF_MEMORY} else FAILED


# ---------------------------------------------------------------- what to measure


def list_cases(config: StepBenchmarkConfig, kind: str) -> list[Case]:
    sizes = [parse_size(text) for text in config.size or SIZES[kind]]
    batches = config.batch or BATCHES[kind]
    require(all(batch > 0 for batch in batches), f"--batch {' '.join(map(str, batches))}: must be at least 1")
    chosen = itertools.product(config.model or MODELS[kind], sizes, batches)
    return list(dict.fromkeys(Case(model, *size, batch) for model, size, batch in chosen))


def parse_size(text: str) -> tuple[int, int]:
    """(width, height)"""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    require(match is not None, f"--size {text}: write WIDTHxHEIGHT, for example 640x192")
    width, height = map(int, match.groups())
    ok = min(width, height) >= 64 and width % 32 == height % 32 == 0
    require(ok, f"--size {text}: width and height must be multiples of 32 and at least 64, for example 640x192")
    return width, height


def list_precisions(config: StepBenchmarkConfig, device: torch.device) -> list[Precision]:
    """Those asked for, in the usual order; UserError for what the device cannot do. Otherwise those it can."""
    if config.default_precision:
        require(config.precision is None, "--default_precision: give it or --precision, not both")
        return [choose_precision(None, device)]
    if config.precision:
        for name in config.precision:
            choose_precision(name, device)
        return [name for name in PRECISIONS if name in config.precision]
    return [name for name in DEFAULT_PRECISIONS[device.type] if can(name, device)]


def list_ours(config: StepBenchmarkConfig, device: torch.device) -> list[str]:
    """Names of our step in each precision, plain, compiled and recorded as far as asked for.

    On a GPU a recorded step keeps the memory of a whole step, and compiling takes most of a run's time, so only the default
    precision has these.
    """
    precisions, default = list_precisions(config, device), choose_precision(None, device)
    names = []
    for name in precisions:
        varied = device.type == "cpu" or name == default
        compiled = ("", COMPILED) if config.compile and varied else ("",)
        graphed = ("", GRAPHED) if config.cuda_graph and varied else ("",)
        names += ["".join(parts) for parts in itertools.product([name], compiled, graphed)]
    if config.compile and device.type == "cuda" and default in precisions:
        names.append(default + COMPILED + WHOLLY)
    return names


def can(precision: Precision, device: torch.device) -> bool:
    try:
        choose_precision(precision, device)
    except UserError:
        return False
    return slow_precision(precision, device, cpu_features()) is None


def check(config: StepBenchmarkConfig, device: torch.device) -> None:
    if config.cuda_graph:
        check_graph(device, processes=1)
    require(config.repeats >= 1, f"--repeats {config.repeats}: must be at least 1")
    limit = config.memory_limit
    require(limit is None or limit > 0, f"--memory_limit {limit}: must be positive")
    suffixes = (".png", ".svg", ".pdf")
    require(
        config.plot is None or config.plot.suffix in suffixes,
        f"--plot {config.plot}: must end in {', '.join(suffixes)}",
    )


# ---------------------------------------------------------------- measuring


def measure_case(case: Case, subjects: tuple[str, ...], kind: str, config: StepBenchmarkConfig) -> dict[str, Measured]:
    """On a GPU one process for all. A CPU's memory is that of the process, so there each subject has one of its own,
    and those with enough memory are timed together in another."""
    limit = None if config.memory_limit is None else 1e9 * config.memory_limit
    if kind == "cuda":
        return in_own_process(Job(case, subjects, kind, limit, memory=True, repeats=config.repeats))
    found: dict[str, Measured] = {}
    for subject in subjects:
        found |= in_own_process(Job(case, (subject,), kind, limit, memory=True, repeats=0))
    fit = tuple(subject for subject in subjects if found[subject].status == MEASURED)
    if fit:
        timed = in_own_process(Job(case, fit, kind, None, memory=False, repeats=config.repeats))
        for subject in fit:
            found[subject].status, found[subject].ms = timed[subject].status, timed[subject].ms
            found[subject].matmul_tflops = timed[subject].matmul_tflops
    return found


# ---------------------------------------------------------------- report


def save(config: StepBenchmarkConfig, made_on: dict[str, object], results: dict[Case, list[Row]]) -> None:
    if config.json is not None:
        cases = [
            {
                **asdict(case),
                "forward_gmacs_per_sample": forward_gmacs(case),
                "rows": [asdict(row) for row in case_rows],
                "targets": [asdict(target) for target in targets(case_rows, str(made_on["device"]))],
            }
            for case, case_rows in results.items()
        ]
        write_record(config.json, made_on, {"cases": cases})
    if config.plot is not None and results:
        step_plot.draw(config.plot, results, f"{made_on.get('gpu', made_on['processor'])}, torch {made_on['torch']}")


def main() -> None:
    cli.run(benchmark, StepBenchmarkConfig, "python -m benchmarks.train_step")


if __name__ == "__main__":
    main()
