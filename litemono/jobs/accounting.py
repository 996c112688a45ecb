"""Slurm's accounting of jobs: what each start of a job was given, for how long, and what it used."""

from __future__ import annotations

import datetime
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from litemono.jobs import slurm
from litemono.utils.errors import UserError

COLUMNS = (
    "JobID",
    "JobIDRaw",
    "Submit",
    "Start",
    "End",
    "ElapsedRaw",
    "AllocTRES",
    "TotalCPU",
    "CPUTimeRAW",
    "MaxRSS",
    "TRESUsageInTot",
    "ConsumedEnergyRaw",
)


@dataclass
class Allocation:
    """One start of a job, or a wait that led to none."""

    job_ids: tuple[str, str]
    """12_3, and the number of its own."""
    submitted: float
    """When it came into the queue; a requeued job came again. Seconds since 1970, as all times here."""
    started: float | None
    ended: float | None
    """None while it waits or runs."""
    elapsed: float
    """Seconds on its nodes."""
    gpus: int
    cpu_seconds: float
    """Given: cores times seconds."""
    cpu_used: float
    """Seconds that processes computed; 0 where Slurm does not gather it."""
    memory: float
    """MB given, on all nodes."""
    memory_used: float
    """Most MB of one of its steps; 0 where Slurm does not gather it."""
    joules: float
    """0 where Slurm does not measure energy."""

    def waited(self, now: float) -> float:
        """Seconds in the queue before this start."""
        begin = self.started if self.started is not None else self.ended if self.ended is not None else now
        return max(0.0, begin - self.submitted)


class NoAccounting(UserError):
    """This cluster keeps no accounts, or there is no Slurm here."""


def allocations(job_ids: Sequence[str]) -> list[Allocation]:
    """Every start of these jobs, in order, by one call of sacct. Raises NoAccounting."""
    if not job_ids:
        return []
    if shutil.which("sacct") is None:
        raise NoAccounting("there is no sacct on this machine")
    try:
        text = slurm.call("sacct", "--duplicates", "-nP", "-o", ",".join(COLUMNS), "-j", ",".join(job_ids))
    except UserError as error:
        raise NoAccounting(str(error)) from None
    return parse(text)


def parse(text: str) -> list[Allocation]:
    """Lines of jobs, each before those of its steps (12.batch, 12.0), which say what was used."""
    found: list[Allocation] = []
    newest: dict[str, Allocation] = {}
    for line in slurm.rows(text, len(COLUMNS)):
        row = dict(zip(COLUMNS, line, strict=True))
        job, _, step = row["JobID"].partition(".")
        if not step:
            newest[job] = allocation(row)
            found.append(newest[job])
        elif job in newest:
            newest[job].memory_used = max(newest[job].memory_used, memory_of_step(row))
    return found


def allocation(row: dict[str, str]) -> Allocation:
    given = tres(row["AllocTRES"])
    submitted = when(row["Submit"])
    return Allocation(
        job_ids=(row["JobID"], row["JobIDRaw"]),
        submitted=submitted if submitted is not None else 0.0,
        started=when(row["Start"]),
        ended=when(row["End"]),
        elapsed=number(row["ElapsedRaw"]),
        gpus=int(number(given.get("gres/gpu", ""))),
        cpu_seconds=number(row["CPUTimeRAW"]),
        cpu_used=cpu_time(row["TotalCPU"]),
        memory=float(slurm.megabytes(given.get("mem", "")) or 0),
        memory_used=0.0,
        joules=number(row["ConsumedEnergyRaw"]),
    )


def memory_of_step(row: dict[str, str]) -> float:
    """MB: the sum over its processes where Slurm has it, else the largest of them."""
    total = tres(row["TRESUsageInTot"]).get("mem", "")
    return float(slurm.megabytes(total or row["MaxRSS"]) or 0)


def tres(text: str) -> dict[str, str]:
    """ "cpu=2,mem=4G,gres/gpu=1" by name."""
    return dict(entry.split("=", 1) for entry in text.split(",") if "=" in entry)


def number(text: str) -> float:
    """0 for what is no number: Slurm leaves fields empty."""
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else 0.0


def when(text: str) -> float | None:
    """Slurm's local time as seconds since 1970; None for Unknown and None."""
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").timestamp()
    except (ValueError, OverflowError):
        return None


def cpu_time(text: str) -> float:
    """Seconds of [days-][hours:]minutes:seconds[.fraction]."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", text)
    if match is None:
        return 0.0
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
