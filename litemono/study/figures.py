"""The figures of a study: the swept flags against the result, and the validation curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from litemono.study.table import Comparison, Row
from litemono.utils.svg import COLOURS, GREY, STYLE, svg

SIZE = (6.4, 3.4)
GOOD_TO_BAD = LinearSegmentedColormap.from_list("good to bad", [COLOURS[0], COLOURS[3], COLOURS[1]])
WIDE = 8  # from which factor between largest and smallest an axis is logarithmic


def all_figures(comparison: Comparison) -> list[dict[str, str]]:
    """Title, caption and SVG of each."""
    figures = []
    rows = comparison.rows
    if len(comparison.flags) == 1:
        figures.append(
            {"title": f"{comparison.by} over {comparison.flags[0]}", "svg": scatter(comparison),
             "caption": "One point for each run, with its 95 % interval over validation batches."}
        )  # fmt: skip
    elif len(comparison.flags) > 1 and len(rows) > 1:
        figures.append(
            {"title": "Parallel coordinates", "svg": parallel_coordinates(comparison),
             "caption": f"One line for each run through its flags to its {comparison.by}; from blue, the best, to orange. "
             "Point at a row of the table to see its line."}
        )  # fmt: skip
    figures.append(
        {"title": f"{comparison.by} over the epochs", "svg": curves(comparison), "caption": "Validation results."}
    )
    return figures


class Axis:
    """Where the values of a flag stand between 0 and 1: numbers by size, also logarithmic, others side by side."""

    def __init__(self, values: Sequence[str]) -> None:
        numbers = [_number(value) for value in values]
        if any(number is None for number in numbers):
            self.labels = sorted(set(values))
            self.place = {label: float(index) for index, label in enumerate(self.labels)}
        else:
            known = {value: float(number) for value, number in zip(values, numbers, strict=True) if number is not None}
            self.labels = sorted(known, key=lambda label: known[label])
            log = is_wide(known.values())
            self.place = {label: math.log(known[label]) if log else known[label] for label in self.labels}
        low, high = min(self.place.values()), max(self.place.values())
        self.place = {label: (place - low) / (high - low) if high > low else 0.5 for label, place in self.place.items()}


def is_wide(values: Iterable[float]) -> bool:
    """Better shown on a logarithmic axis."""
    values = [*values]
    return min(values) > 0 and max(values) / min(values) >= WIDE


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def line_id(comparison: Comparison, row: Row) -> str:
    """By which the page finds the line of a row."""
    return f"run-{comparison.rows.index(row)}"


def parallel_coordinates(comparison: Comparison) -> str:
    """A vertical axis for each swept flag, and one for the result. Colours go by rank: one bad run leaves the rest apart."""
    flags, rows, by = comparison.flags, comparison.rows, comparison.by
    results = [f"{row.epoch.results[by]:.4g}" for row in rows]
    columns = [*([row.swept[place] for row in rows] for place in range(len(flags))), results]
    axes = [Axis(column) for column in columns]
    ranks = np.linspace(0, 1, len(rows))
    with plt.rc_context(STYLE):
        figure, plot = plt.subplots(figsize=(max(SIZE[0], 1.5 * len(flags) + 2), SIZE[1]))
        for place in reversed(range(len(rows))):
            heights = [axis.place[column[place]] for axis, column in zip(axes, columns, strict=True)]
            (line,) = plot.plot(heights, color=GOOD_TO_BAD(ranks[place]), linewidth=1.8, alpha=0.85)
            line.set_gid(line_id(comparison, rows[place]))
        for place, axis in enumerate(axes):
            labels = axis.labels if place < len(flags) else [axis.labels[0], axis.labels[-1]]
            draw_axis(plot, place, {label: axis.place[label] for label in labels})
        plot.set_xticks(range(len(flags) + 1), [*flags, by])
        plot.set(yticks=[], xlim=(-0.2, len(flags) + 0.5), ylim=(-0.08, 1.12))
        for spine in plot.spines.values():
            spine.set_visible(False)
        return svg(figure)


def draw_axis(plot: Axes, place: int, labels: dict[str, float]) -> None:
    plot.axvline(place, color=GREY, linewidth=0.8)
    for label, height in labels.items():
        plot.annotate(label, (place, height), xytext=(4, 3), textcoords="offset points", fontsize=8, color=GREY)


def scatter(comparison: Comparison) -> str:
    """The result over the only swept flag."""
    rows, by = comparison.rows, comparison.by
    axis = Axis([row.swept[0] for row in rows])
    with plt.rc_context(STYLE):
        figure, plot = plt.subplots(figsize=SIZE)
        for row in rows:
            value, cell = row.epoch.results[by], row.cells[by]
            ends = cell.interval if cell and cell.interval else (value, value)
            (line,) = plot.plot([axis.place[row.swept[0]]] * 2, ends, color=GREY, linewidth=1)
            line.set_gid(line_id(comparison, row))
            plot.plot(axis.place[row.swept[0]], value, "o", color=COLOURS[2] if row is rows[0] else COLOURS[0])
        plot.set_xticks([axis.place[label] for label in axis.labels], axis.labels)
        plot.set(xlabel=comparison.flags[0], ylabel=by, xlim=(-0.1, 1.1))
        return svg(figure)


def curves(comparison: Comparison) -> str:
    """The result over the epochs of each run; the best run stands out."""
    lines = [finite_results(row, comparison.by) for row in comparison.rows]
    with plt.rc_context(STYLE):
        figure, plot = plt.subplots(figsize=SIZE)
        for results in reversed(lines[1:]):
            plot.plot(*zip(*results, strict=True), marker=".", color=GREY, alpha=0.5, linewidth=1)
        plot.plot(*zip(*lines[0], strict=True), marker=".", color=COLOURS[0], linewidth=1.8)
        if is_wide(value for results in lines for _, value in results):
            plot.set_yscale("log")
        plot.set(xlabel="epoch", ylabel=comparison.by)
        plot.xaxis.set_major_locator(MaxNLocator(integer=True))
        return svg(figure)


def finite_results(row: Row, metric: str) -> list[tuple[int, float]]:
    """Epoch, counted from 1, and result."""
    found = [(epoch.number + 1, epoch.results.get(metric, math.nan)) for epoch in row.run.epochs]
    return [pair for pair in found if math.isfinite(pair[1])]
