"""A picture of benchmarks.train_step's results: images per second and memory, bar by bar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

from benchmarks.step_subjects import COMPILED, GRAPHED, PUBLISHED, Case, precision_of  # noqa: E402
from litemono.utils.atomic_files import replacing  # noqa: E402

if TYPE_CHECKING:
    from benchmarks.step_rows import Row

COLOURS = {PUBLISHED: "#8c8c8c", "fp32": "#1b4f8f", "tf32": "#3f8fd2", "fp16": "#1f9e77", "bf16": "#e08a1e"}
BAR, GAP, ENDS = 0.2, 0.16, 0.8  # inches: a bar, the space between cases, title and axis of a batch size


def draw(path: Path, results: dict[Case, list[Row]], machine: str) -> None:
    """One row of axes for each batch size, so that what shares an axis can be compared."""
    batches = sorted({case.batch for case in results})
    groups = [{case: rows for case, rows in results.items() if case.batch == batch} for batch in batches]
    heights = [ENDS + sum(GAP + BAR * len(rows) for rows in group.values()) for group in groups]
    figure, grid = pyplot.subplots(
        len(groups), 2, figsize=(12, sum(heights) + 0.8), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for (speed, memory), batch, group in zip(grid, batches, groups, strict=True):
        bars(speed, group, lambda row: row.images_per_s, "{:.3g}")
        bars(memory, group, lambda row: None if row.ms_per_step is None else row.measured.memory_mb / 1000, "{:.3g}")
        speed.set(title=f"batch {batch}: images per second", xlabel="samples (triplets) per second, more is better")
        memory.set(title=f"batch {batch}: memory", xlabel="GB at the peak of a step, less is better")
        memory.tick_params(labelleft=False)
    subjects = list(dict.fromkeys(row.subject for rows in results.values() for row in rows))
    handles = [pyplot.Rectangle((0, 0), 1, 1, **look(subject)) for subject in subjects]
    labels = ["published recipe (float32)" if subject == PUBLISHED else f"ours, {subject}" for subject in subjects]
    figure.legend(handles, labels, loc="outside upper center", ncols=len(subjects), frameon=False, title=machine)
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=110)
    pyplot.close(figure)


def look(subject: str) -> dict[str, object]:
    """The colour of its precision; compiled steps are hatched, recorded ones dotted."""
    hatch = "///" * (COMPILED in subject) + ".." * (GRAPHED in subject)
    return {"facecolor": COLOURS[precision_of(subject)], **({"hatch": hatch, "ec": "white"} if hatch else {})}


def bars(axes: Axes, group: dict[Case, list[Row]], value: object, form: str) -> None:
    """A bar with its number for each row; in its place the words, where there is none."""
    top, places = 0.0, []
    for rows in group.values():
        places.append(top + BAR * (len(rows) - 1) / 2)
        for row in rows:
            length = value(row)
            axes.barh(top, length or 0, 0.85 * BAR, **look(row.subject))
            text = row.measured.status if length is None else form.format(length)
            axes.annotate(text, (length or 0, top), (3, 0), textcoords="offset points", va="center", fontsize=8)
            top += BAR
        top += GAP
    axes.set_yticks(places, [f"{case.model}\n{case.width}x{case.height}" for case in group])
    axes.set_ylim(top - GAP - BAR / 2, -BAR / 2 - GAP / 2)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
