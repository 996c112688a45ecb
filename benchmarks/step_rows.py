"""The rows of a training-step measurement, what they are compared with, and their table."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.step_measure import MEASURED, Measured
from benchmarks.step_subjects import NETWORKS, PARTS, PUBLISHED, STEP, Case, forward_macs
from litemono.engine.precision import choose_precision

# What we aim at: images per second and memory in terms of the published step's, time over the networks' alone.
SPEED_TARGET = {"cuda": 3.0, "cpu": 1.3}
MEMORY_TARGET = 0.5
OVER_FLOOR_TARGET = 0.15


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
        kept_ratio=measured.kept_mb / published.kept_mb if comparable and measured.kept_mb is not None else None,
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


# ---------------------------------------------------------------- targets and table


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
            number(measured.kept_mb, ".0f"),
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
