"""status --cost as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from litemono.jobs.cost import Bill, Cost

NOTES = (
    "queue: share of the time from submission to end that was spent waiting. lost: share of the training time spent on steps "
    "that were computed again after a restart. CPU, memory: used of what was given; memory at its highest.",
)


def show(bill: Bill, console: Console) -> None:
    """Runs, sweeps, months, what is missing."""
    console.print(table("run", [*bill.runs, bill.total] if len(bill.runs) > 1 else bill.runs))
    if bill.sweeps:
        console.print("", table("sweep", bill.sweeps), sep="\n")
    if len(bill.months) > 1:
        console.print("", table("month", bill.months), sep="\n")
    console.print()
    for line in (*NOTES, *bill.missing):
        console.print(line, markup=False, highlight=False)


def table(title: str, costs: Sequence[Cost]) -> Table:
    """Without the columns that would be empty."""
    rows = [cells(title, cost) for cost in costs]
    made = Table(box=None, header_style="bold", pad_edge=False)
    shown = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in shown:
        made.add_column(name, justify="left" if name == title else "right", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(row[name]) for name in shown))  # brackets in a run's name are no markup
    return made


def cells(title: str, cost: Cost) -> dict[str, str]:
    return {
        title: cost.name,
        "jobs": str(cost.jobs) if cost.jobs else "",
        "starts": str(cost.starts) if cost.starts else "",
        "GPU h": f"{cost.gpu_seconds / 3600:.2f}" if cost.gpu_seconds else "",
        "CPU h": f"{cost.cpu_seconds / 3600:.2f}" if cost.cpu_seconds else "",
        "queue": percent(cost.queue_share),
        "lost": percent(cost.lost_share),
        "CPU": percent(cost.cpu_efficiency),
        "memory": percent(cost.memory_efficiency),
        "kWh": f"{cost.joules / 3.6e6:.2f}" if cost.joules else "",
    }


def percent(part: float | None) -> str:
    return "" if part is None else f"{part:.0%}"


def as_json(bill: Bill) -> dict[str, Any]:
    """Numbers in full, in hours, shares and kWh; null where they could not be had."""
    groups = {"runs": bill.runs, "sweeps": bill.sweeps, "months": bill.months, "total": [bill.total]}
    return {name: [entry(cost) for cost in costs] for name, costs in groups.items()} | {"missing": bill.missing}


def entry(cost: Cost) -> dict[str, Any]:
    return {
        "name": cost.name,
        "jobs": cost.jobs,
        "starts": cost.starts,
        "gpu_hours": cost.gpu_seconds / 3600,
        "cpu_hours": cost.cpu_seconds / 3600,
        "queue_share": cost.queue_share,
        "lost_share": cost.lost_share,
        "cpu_efficiency": cost.cpu_efficiency,
        "memory_efficiency": cost.memory_efficiency,
        "kwh": cost.joules / 3.6e6 or None,
    }
