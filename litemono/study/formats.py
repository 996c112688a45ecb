"""A comparison as text: for the terminal, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from litemono.study.intervals import Interval
from litemono.study.table import Cell, Comparison, Row

PLAIN_WIDTH = 240  # columns where the output is no terminal


def number(value: float) -> str:
    return f"{value:#.4g}" if abs(value) >= 1 else f"{value:.4f}"


def span(interval: Interval | None, signed: bool = False) -> str:
    if interval is None:
        return ""
    low, high = (f"{'+' if signed and value > 0 else ''}{number(value)}" for value in interval)
    return f"{low} to {high}" if signed else f"{low}–{high}"


def head(comparison: Comparison) -> list[str]:
    """Titles of the columns."""
    behind = ["behind the best"] if any(row.behind for row in comparison.rows) else []
    state = [] if comparison.all_finished else ["state"]
    return ["run", *comparison.flags, *state, "epoch", *comparison.metrics, *behind]


def first_metric(comparison: Comparison) -> int:
    """Place of the first metric's column."""
    return head(comparison).index("epoch") + 1


def texts(comparison: Comparison, row: Row) -> list[str]:
    """What stands in the columns."""
    behind = [span(row.behind, signed=True)] if any(other.behind for other in comparison.rows) else []
    epoch = f"{row.epoch.number + 1} of {len(row.run.epochs)}"
    return [
        row.run.name,
        *row.swept,
        *([] if comparison.all_finished else [row.run.state]),
        epoch,
        *(plain(row.cells[name]) for name in comparison.metrics),
        *behind,
    ]


def plain(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"{number(cell.value)} ({span(cell.interval)})" if cell.interval else number(cell.value)


def to_terminal(comparison: Comparison) -> str:
    """In the terminal's width, or wide where the output is a file.

    For want of room it has the intervals of the ranking metric and of the first one on test images only.
    """
    text = io.StringIO()
    screen = sys.stdout.isatty()
    console = Console(file=text, force_terminal=screen, width=None if screen else PLAIN_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in head(comparison):
        table.add_column(Text(name), overflow="fold", justify="left" if name in ("run", "state") else "right")
    for row in comparison.rows:
        cells = [Text(text) for text in texts(comparison, row)]
        for place, name in enumerate(comparison.metrics, first_metric(comparison)):
            if cell := row.cells[name]:
                wide = name == comparison.by or name == comparison.first_test
                shown = plain(cell) if wide else number(cell.value)
                cells[place] = Text(f"{shown} *", "bold green") if cell.best else Text(shown)
        table.add_row(*cells)
    console.print(table)
    for line in [*seed_lines(comparison), *comparison.notes, "* best of its column"]:
        console.print(line, markup=False, highlight=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def seed_lines(comparison: Comparison) -> list[str]:
    """Means over seeds."""
    if not comparison.seeds:
        return []
    lines = ["Means over seeds (lowest to highest):"]
    for row in comparison.seeds:
        settings = " ".join(f"{flag}={value}" for flag, value in zip(comparison.seedless_flags, row.swept, strict=True))
        means = [
            f"{name} {number(mean)} ({number(low)} to {number(high)})" for name, (mean, low, high) in row.spread.items()
        ]
        lines.append(f"  {settings or 'all'}, {row.seeds} seeds: {', '.join(means)}")
    return lines


def to_markdown(comparison: Comparison) -> str:
    titles = head(comparison)
    lines = [_bars(titles), _bars(["---"] * len(titles))]
    for row in comparison.rows:
        cells = texts(comparison, row)
        for place, name in enumerate(comparison.metrics, first_metric(comparison)):
            if (cell := row.cells[name]) and cell.best:
                cells[place] = f"**{cells[place]}**"
        lines.append(_bars(cells))
    lines += ["", *(f"{line}  " for line in [*seed_lines(comparison), *comparison.notes])]
    return "\n".join(lines) + "\n"


def _bars(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def to_csv(comparison: Comparison) -> str:
    """One line for each run; numbers in full, each metric with the ends of its interval, and the notes left out."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    ends = [title for name in comparison.metrics for title in (name, f"{name}_low", f"{name}_high")]
    lines.writerow(
        ["run", *comparison.flags, "state", "epoch", "epochs", *ends, "difference_low", "difference_high", "best"]
    )
    for row in comparison.rows:
        values: list[object] = [
            row.run.name,
            *row.swept,
            row.run.state,
            row.epoch.number + 1,
            len(row.run.epochs),
        ]
        for name in comparison.metrics:
            cell = row.cells[name]
            values += ["", "", ""] if cell is None else [cell.value, *(cell.interval or ("", ""))]
        best = [name for name in comparison.metrics if (cell := row.cells[name]) and cell.best]
        lines.writerow([*values, *(row.behind or ("", "")), " ".join(best)])
    return text.getvalue()


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "terminal": to_terminal,
    "markdown": to_markdown,
    "csv": to_csv,
}
