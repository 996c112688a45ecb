"""What runs cost: from accounting, where the cluster keeps it, and from the attempts in their folders.

accounting       GPU hours, time in the queue, CPU and memory used, energy: of whole jobs, their start included
attempts.jsonl   which jobs a run had; steps that were computed again after a requeue; GPU hours where there is no accounting
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from litemono.engine import attempts
from litemono.jobs import accounting
from litemono.jobs.accounting import Allocation, NoAccounting
from litemono.jobs.runs import NOTE, find_folders, job_ids, read_heartbeat, run_name
from litemono.utils.atomic_files import read_json
from litemono.utils.typed_json import well_typed

ATTEMPT = {"started": float, "ended": float, "from_step": int, "step": int, "job_id": str}


@dataclass
class Cost:
    """Of a run, or a sum of several."""

    name: str
    jobs: int = 0
    starts: int = 0
    gpu_seconds: float = 0.0
    """GPUs times seconds that a job held them; without accounting, that training processes ran on them."""
    lost_seconds: float = 0.0
    """Of training time, spent on steps that were computed again after a restart."""
    trained_seconds: float = 0.0
    """Between start and end of training processes."""
    waited: float = 0.0
    elapsed: float = 0.0
    cpu_seconds: float = 0.0
    """Cores times seconds given."""
    cpu_measured: float = 0.0
    """The same, of starts whose use Slurm has gathered; of jobs that run it has none yet."""
    cpu_used: float = 0.0
    memory: float = 0.0
    """MB times seconds given, of starts whose use Slurm has gathered."""
    memory_used: float = 0.0
    """MB times seconds, of the most that was used at the same time."""
    joules: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        numbers = {name: getattr(self, name) + getattr(other, name) for name in vars(self) if name != "name"}
        return Cost(self.name, **numbers)

    @property
    def queue_share(self) -> float | None:
        """Of the time from submission to end; None without accounting."""
        return share(self.waited, self.waited + self.elapsed)

    @property
    def lost_share(self) -> float | None:
        return share(self.lost_seconds, self.trained_seconds)

    @property
    def cpu_efficiency(self) -> float | None:
        return share(self.cpu_used, self.cpu_measured)

    @property
    def memory_efficiency(self) -> float | None:
        return share(self.memory_used, self.memory)


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


@dataclass
class Bill:
    """The costs of the runs below a folder."""

    runs: list[Cost]
    sweeps: list[Cost]
    months: list[Cost]
    total: Cost
    missing: list[str] = field(default_factory=list)
    """What could not be had, and why."""


def bill(log_dir: Path) -> Bill:
    """Costs of every run below `log_dir`, of each folder with several runs, and of each month; one call of sacct."""
    folders = find_folders(log_dir)
    tries = {folder: read_attempts(folder) for folder in folders}
    jobs = {folder: jobs_of(folder, tries[folder]) for folder in folders}
    missing = []
    found: list[Allocation] | None = None
    try:
        found = accounting.allocations(sorted({job for ids in jobs.values() for job in ids}))
    except NoAccounting as error:
        missing.append(
            f"No accounting ({error}): queue, CPU, memory and energy are missing, and GPU hours are those of training processes."
        )
    costs: list[Cost] = []
    months: dict[str, Cost] = {}
    for folder in folders:
        mine = None if found is None else [part for part in found if jobs[folder] & {*part.job_ids}]
        parts = monthly_costs(mine, tries[folder])
        cost = total_of(parts.values(), run_name(folder, log_dir))
        cost.jobs = count_jobs(mine, tries[folder], jobs[folder])
        costs.append(cost)
        add_months(months, parts)
    missing += gaps(costs, found, [run_name(folder, log_dir) for folder in folders if not tries[folder]])
    sweeps = by_parent(folders, costs, log_dir)
    return Bill(costs, sweeps, [months[month] for month in sorted(months)], total_of(costs, "total"), missing)


def jobs_of(folder: Path, tries: Sequence[dict[str, Any]]) -> set[str]:
    """Every job that worked on the run. A task of an array may be there under both of its names."""
    known = job_ids(read_heartbeat(folder), well_typed(read_json(folder / "job.json"), NOTE))
    return {*known, *(attempt["job_id"] for attempt in tries if "job_id" in attempt)}


def count_jobs(found: Sequence[Allocation] | None, tries: Sequence[dict[str, Any]], known: set[str]) -> int:
    in_accounting = {part.job_ids[0] for part in found or ()}
    in_attempts = {attempt["job_id"] for attempt in tries if "job_id" in attempt}
    return len(in_accounting or in_attempts or known)


def read_attempts(folder: Path) -> list[dict[str, Any]]:
    """As far as they have the right types, with the number of GPUs of each. One that has not ended lasts up to the heartbeat."""
    heartbeat = read_heartbeat(folder)
    return [
        {"ended": heartbeat.get("updated", 0.0), **well_typed(entry, ATTEMPT), "gpus": gpus_of(entry)}
        for entry in attempts.read(folder)
    ]


def gpus_of(entry: dict[str, Any]) -> int:
    processes = entry.get("processes")
    if not isinstance(processes, list):
        return 0
    return sum(isinstance(process, dict) and process.get("device") not in (None, "CPU") for process in processes)


# ---------------------------------------------------------------- one run


def monthly_costs(found: Sequence[Allocation] | None, tries: Sequence[dict[str, Any]]) -> dict[str, Cost]:
    """Costs by month, such as 2026-11, each start in the month in which it began."""
    months: dict[str, Cost] = {}
    for part in found or ():
        add_months(months, {month_of(part.submitted if part.started is None else part.started): of_allocation(part)})
    none: dict[str, Any] = {}
    for attempt, following in zip_longest(tries, tries[1:], fillvalue=none):
        if "started" in attempt:
            add_months(months, {month_of(attempt["started"]): of_attempt(attempt, following, count=found is None)})
    return months


def add_months(months: dict[str, Cost], more: dict[str, Cost]) -> None:
    for month, cost in more.items():
        months[month] = months.get(month, Cost(month)) + cost


def of_allocation(part: Allocation) -> Cost:
    return Cost(
        "",
        starts=int(part.started is not None),
        gpu_seconds=part.gpus * part.elapsed,
        waited=part.waited(time.time()),
        elapsed=part.elapsed,
        cpu_seconds=part.cpu_seconds,
        cpu_measured=part.cpu_seconds if part.cpu_used else 0.0,
        cpu_used=part.cpu_used,
        memory=part.memory * part.elapsed if part.memory_used else 0.0,
        memory_used=part.memory_used * part.elapsed,
        joules=part.joules,
    )


def of_attempt(attempt: dict[str, Any], following: dict[str, Any], *, count: bool) -> Cost:
    """count: it stands for the job, of which there is no account. following: the next attempt, if there is one."""
    seconds = max(0.0, attempt["ended"] - attempt["started"])
    steps = attempt.get("step", 0) - attempt.get("from_step", 0)
    again = attempt.get("step", 0) - following.get("from_step", attempt.get("step", 0))
    lost = seconds * min(again, steps) / steps if steps > 0 and again > 0 else 0.0
    cost = Cost("", lost_seconds=lost, trained_seconds=seconds)
    return cost + Cost("", starts=1, gpu_seconds=attempt["gpus"] * seconds) if count else cost


def month_of(seconds: float) -> str:
    return time.strftime("%Y-%m", time.localtime(seconds))


# ---------------------------------------------------------------- sums


def total_of(costs: Iterable[Cost], name: str) -> Cost:
    total = Cost(name)
    for cost in costs:
        total += cost
    return total


def by_parent(folders: Sequence[Path], costs: Sequence[Cost], log_dir: Path) -> list[Cost]:
    """Sums of folders below `log_dir` that hold several runs, such as sweeps."""
    groups: dict[Path, list[Cost]] = {}
    for folder, cost in zip(folders, costs, strict=True):
        groups.setdefault(folder.parent, []).append(cost)
    return [
        total_of(group, run_name(parent, log_dir))
        for parent, group in groups.items()
        if len(group) > 1 and log_dir in parent.parents
    ]


def gaps(costs: Sequence[Cost], found: Sequence[Allocation] | None, old: Sequence[str]) -> list[str]:
    """What is not in the numbers."""
    missing = []
    if old:
        missing.append(
            f"Without attempts.jsonl, so steps computed again and earlier jobs are unknown: {', '.join(old[:5])}"
            f"{f' and {len(old) - 5} more' if len(old) > 5 else ''}."
        )
    if found:
        if not any(cost.joules for cost in costs):
            missing.append("Energy: this Slurm measures none (AcctGatherEnergyType).")
        if not any(cost.cpu_used for cost in costs):
            missing.append("CPU use: this Slurm gathers none (JobAcctGatherType).")
    elif found is not None and any(cost.jobs for cost in costs):
        missing.append("Accounting has none of these jobs; it may keep them for a limited time only.")
    return missing
