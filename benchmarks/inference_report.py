"""What benchmarks.inference found: its rows, their table, their plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.step_subjects import Case
from litemono.utils.atomic_files import replacing


@dataclass(frozen=True)
class Row:
    """One subject in one case."""

    subject: str
    images_per_s: float
    resized_images_per_s: float
    """The same with the resize of KITTI's images before the network, and of disparity after it, in one thread."""
    ratio: float
    """Images per second, in terms of the published network's with as many images in a pass; the median over rounds."""
    p50_ms: float
    """Latency of one batch, from uint8 images in host memory to disparity there."""
    p90_ms: float
    p99_ms: float
    first_s: float
    """Until the first result, with the network in memory: exporting, compiling, choosing kernels."""
    off: float
    """Largest difference from eager float32, in terms of the largest disparity."""
    memory_mb: float | None = None
    """What the network and one pass add to a process that has imported torch; with --memory."""


def show(case: Case, rows: list[Row]) -> None:
    table = Table(title=f"{case}, threads: {torch.get_num_threads()}", title_justify="left")
    for name in ("", "img/s", "resized", "ratio", "p50 ms", "p90 ms", "p99 ms", "first s", "off", "MB"):
        table.add_column(name, justify="right" if name else "left")
    for row in rows:
        latency = (f"{value:.1f}" for value in (row.p50_ms, row.p90_ms, row.p99_ms))
        memory = "" if row.memory_mb is None else f"{row.memory_mb:.0f}"
        numbers = (f"{row.first_s:.1f}", f"{row.off:.1e}", memory)
        speed = (f"{value:.3g}" for value in (row.images_per_s, row.resized_images_per_s))
        table.add_row(row.subject, *speed, f"{row.ratio:.2f}", *latency, *numbers)
    Console(width=max(100, Console().width), highlight=False).print(table)


def draw(cases: list[dict], path: Path) -> None:
    """A group of bars for each case, a bar for each subject."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    subjects = list(dict.fromkeys(row["subject"] for case in cases for row in case["rows"]))
    figure = Figure(figsize=(max(6, 1.5 * len(cases) + 2), 4), layout="constrained")
    axes = figure.subplots()
    for number, subject in enumerate(subjects):
        ratios = [next((row["ratio"] for row in case["rows"] if row["subject"] == subject), 0) for case in cases]
        places = [group + (number - len(subjects) / 2) * 0.8 / len(subjects) for group in range(len(cases))]
        axes.bar(places, ratios, 0.8 / len(subjects), align="edge", label=subject, color=colormaps["tab20"](number))
    labels = [f"{case['model']}\n{case['width']}x{case['height']}, batch {case['batch']}" for case in cases]
    axes.set_xticks(range(len(cases)), labels, fontsize=8)
    axes.set_ylabel("speed, published network with the same batch = 1")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(fontsize=8, loc="outside right upper")
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)
