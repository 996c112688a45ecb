"""python -m benchmarks.train_step: how fast a training step is and what memory it takes, against four yardsticks."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import platform
import re
import shlex
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table

import networks
from benchmarks import step_plot
from benchmarks.step_measure import MEASURED, OUT_OF_MEMORY, Job, Measured, in_own_process, say
from benchmarks.step_subjects import COMPILED, NETWORKS, PARTS, PUBLISHED, STEP, Case, forward_macs
from litemono.engine.precision import PRECISIONS, choose_precision
from litemono.engine.settings import Precision
from litemono.tasks.monodepth_settings import Model
from litemono.utils import cli
from litemono.utils.atomic_files import write_atomically
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError, require

# What is measured unless the flags say otherwise.
MODELS = {"cuda": tuple(networks.names("disparity")), "cpu": ("lite-mono",)}
SIZES = {"cuda": ("640x192", "1024x320"), "cpu": ("640x192",)}
BATCHES = {"cuda": (1, 12, 48), "cpu": (1, 12)}
# A CPU takes fp16 too, but without units for it some fifteen times as long as fp32.
DEFAULT_PRECISIONS = {"cuda": PRECISIONS, "cpu": ("fp32", "bf16")}

# What we aim at: images per second and memory in terms of the published step's, time over the networks' alone.
SPEED_TARGET = {"cuda": 3.0, "cpu": 1.3}
MEMORY_TARGET = 0.5
OVER_FLOOR_TARGET = 0.15

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
    """Our step also with --compile."""
    repeats: int = 5
    """Rounds of timing, in which all subjects take turns."""
    memory_limit: float | None = None
    """GB that a subject may take, as on a smaller device. Default: what is free."""
    json: Path | None = None
    """Write the results to this file, anew after every case."""
    plot: Path | None = None
    """Draw them into this .png, .svg or .pdf file."""


@dataclass(frozen=True)
class Row:
    """One subject in one case. Ratios are medians over the rounds; None: not measured, or nothing to compare with."""

    subject: str
    measured: Measured
    images_per_s: float | None = None
    """Samples (triplets) per second."""
    ms_per_step: float | None = None
    speed_ratio: float | None = None
    """Images per second, in terms of the published step's."""
    memory_ratio: float | None = None
    kept_ratio: float | None = None
    over_floor: float | None = None
    """(Time of the step) / (time of forward and backward of the networks alone) - 1, in the same precision."""
    roofline_ms: float | None = None
    """Three times the forward multiply-adds at the speed of a large matrix product in the same precision."""
    shares: dict[str, float] | None = None
    """Times of PARTS on their own, in terms of the step's."""


def benchmark(config: StepBenchmarkConfig) -> int:
    """Time a real training step and take its memory: ours in every precision, against the published recipe.

    A step is all that happens to a batch of uint8 triplets that is in memory: augmentation, networks, loss, backward
    pass, two AdamW updates. Beside it stand the networks' forward and backward pass alone (the floor) and the time their
    multiply-adds would take at the speed of a large matrix product (the roofline).

    Example: python -m benchmarks.train_step --model lite-mono --batch 12 --json step.json --plot step.png
    """
    device = choose_device(config.device)
    cases = list_cases(config, device.type)
    endings = ("", COMPILED) if config.compile else ("",)
    subjects = (PUBLISHED, *(name + end for name in list_precisions(config, device) for end in endings))
    check(config)
    report = {"command": shlex.join(["python", "-m", "benchmarks.train_step", *sys.argv[1:]]), **machine(device)}
    save(config, report, device.type, {})
    results: dict[Case, list[Row]] = {}
    try:
        for count, case in enumerate(cases, 1):
            say(f"case {count} of {len(cases)}: {case}")
            results[case] = rows(case, measure_case(case, subjects, device.type, config))
            save(config, report, device.type, results)
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
    if config.precision:
        for name in config.precision:
            choose_precision(name, device)
        return [name for name in PRECISIONS if name in config.precision]
    return [name for name in DEFAULT_PRECISIONS[device.type] if can(name, device)]


def can(precision: Precision, device: torch.device) -> bool:
    try:
        choose_precision(precision, device)
    except UserError:
        return False
    return True


def check(config: StepBenchmarkConfig) -> None:
    require(config.repeats >= 1, f"--repeats {config.repeats}: must be at least 1")
    limit = config.memory_limit
    require(limit is None or limit > 0, f"--memory_limit {limit}: must be positive")
    suffixes = (".png", ".svg", ".pdf")
    require(
        config.plot is None or config.plot.suffix in suffixes,
        f"--plot {config.plot}: must end in {', '.join(suffixes)}",
    )


def machine(device: torch.device) -> dict[str, object]:
    described: dict[str, object] = {
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "device": device.type,
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "published_precision": "float32, torch's defaults (on a GPU TF32 in convolutions, not in matrix products)",
    }
    if device.type == "cuda":
        described |= {
            "gpu": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return described


def processor() -> str:
    info = Path("/proc/cpuinfo").read_text()
    match = re.search(r"model name\s*:\s*(.+)", info)
    return match[1] if match else platform.machine()


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


def rows(case: Case, found: dict[str, Measured]) -> list[Row]:
    published = found[PUBLISHED]
    return [row(case, subject, measured, published) for subject, measured in found.items()]


def row(case: Case, subject: str, measured: Measured, published: Measured) -> Row:
    if measured.status != MEASURED:
        return Row(subject, measured)
    ms = measured.median(STEP)
    comparable = published.status == MEASURED
    tflops = measured.matmul_tflops
    return Row(
        subject,
        measured,
        images_per_s=1000 * case.batch / ms,
        ms_per_step=ms,
        speed_ratio=median_ratio(published.ms[STEP], measured.ms[STEP]) if comparable else None,
        memory_ratio=measured.memory_mb / published.memory_mb if comparable else None,
        kept_ratio=measured.kept_mb / published.kept_mb if comparable else None,
        over_floor=median_ratio(measured.ms[STEP], measured.ms[NETWORKS]) - 1,
        roofline_ms=None if tflops is None else 3 * 2 * case.batch * forward_gmacs(case) / tflops,
        shares={part: median_ratio(measured.ms[part], measured.ms[STEP]) for part in PARTS},
    )


def forward_gmacs(case: Case) -> float:
    """Of one sample."""
    return forward_macs(case.model, case.width, case.height) / 1e9


def median_ratio(above: list[float], below: list[float]) -> float:
    """Round by round, because what slows the machine for a while slows both."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


# ---------------------------------------------------------------- report


def save(config: StepBenchmarkConfig, report: dict[str, object], kind: str, results: dict[Case, list[Row]]) -> None:
    if config.json is not None:
        cases = [
            {
                **asdict(case),
                "forward_gmacs_per_sample": forward_gmacs(case),
                "rows": [asdict(row) for row in case_rows],
                "targets": [asdict(target) for target in targets(case_rows, kind)],
            }
            for case, case_rows in results.items()
        ]
        write_atomically(config.json, (json.dumps({**report, "cases": cases}, indent=1) + "\n").encode())
    if config.plot is not None and results:
        step_plot.draw(config.plot, results, f"{report.get('gpu', report['processor'])}, torch {report['torch']}")


@dataclass(frozen=True)
class Target:
    """How our step stands against what we aim at."""

    precision: str
    what: str
    value: float
    limit: float
    met: bool

    def __str__(self) -> str:
        return f"{self.what} {self.value:.2f} (target {self.limit:g}: {'met' if self.met else 'not met'})"


def targets(case_rows: list[Row], kind: str) -> list[Target]:
    """Of the precision that training takes by itself on this device, else of the fastest; without what did not run."""
    ran = [row for row in case_rows if row.subject != PUBLISHED and row.ms_per_step is not None]
    if not ran:
        return []
    default = choose_precision(None, torch.device(kind))
    best = min(ran, key=lambda row: (row.subject != default, row.ms_per_step))
    over_floor = Target(
        best.subject,
        "time above the floor",
        best.over_floor,
        OVER_FLOOR_TARGET,
        best.over_floor <= OVER_FLOOR_TARGET,
    )
    if best.speed_ratio is None:
        return [over_floor]
    speed, limit = best.speed_ratio, SPEED_TARGET[kind]
    return [
        Target(best.subject, "images per second over published", speed, limit, speed >= limit),
        Target(
            best.subject,
            "memory over published",
            best.memory_ratio,
            MEMORY_TARGET,
            best.memory_ratio <= MEMORY_TARGET,
        ),
        over_floor,
    ]


def verdict(case_rows: list[Row], kind: str) -> str:
    """The targets in a line."""
    found = targets(case_rows, kind)
    return f"{found[0].precision}: {'; '.join(map(str, found))}" if found else "no step of ours ran"


def show(case: Case, case_rows: list[Row], kind: str) -> None:
    table = Table(title=f"{case}: {case.batch * forward_gmacs(case):.1f} G multiply-adds forward", title_justify="left")
    columns = ("", "img/s", "ms/step", "ratio", "memory MB", "ratio", "kept MB", "ratio", "over floor")
    for name in (*columns, *(f"{part} %" for part in PARTS), "roofline ms"):
        table.add_column(name.replace(" ", "\n"), justify="right" if name else "left", no_wrap=True)
    for row in case_rows:
        measured = row.measured
        if row.ms_per_step is None:
            table.add_row(row.subject, measured.status)
            continue
        table.add_row(
            row.subject,
            f"{row.images_per_s:.2f}",
            f"{row.ms_per_step:.1f}",
            number(row.speed_ratio, ".2f"),
            f"{measured.memory_mb:.0f}",
            number(row.memory_ratio, ".2f"),
            f"{measured.kept_mb:.0f}",
            number(row.kept_ratio, ".2f"),
            f"{row.over_floor:.0%}",
            *(f"{100 * row.shares[part]:.0f}" for part in PARTS),
            number(row.roofline_ms, ".1f"),
        )
    console = Console(width=max(140, Console().width), highlight=False, soft_wrap=True)
    console.print(table)
    console.print(verdict(case_rows, kind))


def number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def main() -> None:
    cli.run(benchmark, StepBenchmarkConfig, "python -m benchmarks.train_step")


if __name__ == "__main__":
    main()
