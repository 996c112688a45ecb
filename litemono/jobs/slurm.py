"""Slurm's commands as functions: what they print, in types."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from litemono.utils.errors import UserError

FIELD = re.compile(r"(?<!\S)([A-Za-z][\w/:]*)=(.*?)(?=\s[A-Za-z][\w/:]*=|\s*$)")
ENDED = {
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "OUT_OF_MEMORY",
    "NODE_FAIL",
    "DEADLINE",
    "BOOT_FAIL",
    "PREEMPTED",
}


def available() -> bool:
    """Whether this machine has Slurm's commands."""
    return all(shutil.which(command) for command in ("sbatch", "sinfo", "scontrol", "squeue"))


class ControllerUnavailable(UserError):
    """Slurm's controller did not answer; the same call may work later."""


UNAVAILABLE = re.compile(r"timed out|unable to contact|connection|communication|try again", re.IGNORECASE)


def call(*command: str, timeout: float = 60, stdin: str = "") -> str:
    """What the command prints; UserError with its message where it fails.

    With SLURM_CLUSTERS the commands print the cluster's name above their answer. It is left out.
    """
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        raise UserError(
            f"{command[0]} is not on this machine; log in to the cluster (or `module load slurm`), or use --cluster local"
        ) from None
    except subprocess.TimeoutExpired:
        raise ControllerUnavailable(
            f"`{' '.join(command)}` does not answer for {timeout:.0f} s; is Slurm down?"
        ) from None
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        kind = ControllerUnavailable if UNAVAILABLE.search(reason[-1]) else UserError
        raise kind(f"`{' '.join(command)}` failed: {reason[-1]}")
    lines = done.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("CLUSTER: "))


def fields(line: str) -> dict[str, str]:
    """The key=value pairs of a line of `scontrol show -o`; values may hold spaces."""
    return dict(FIELD.findall(line))


def job_now(job_id: str) -> dict[str, str]:
    """The controller's record of a job; {} if there is none. Raises ControllerUnavailable."""
    try:
        lines = _scontrol_job("show", "job", "-o", job_id).splitlines()
    except ControllerUnavailable:
        raise
    except UserError:
        return {}
    return fields(lines[0]) if lines else {}


def requeue(job_id: str) -> None:
    """Put a job back into the queue. Kills its batch script, and so a caller inside it."""
    _scontrol_job("requeue", job_id)


def exclude(job_id: str, nodes: Iterable[str]) -> None:
    """Let a job that waits start on any node but these. Raises UserError."""
    _scontrol_job("update", f"JobId={job_id}", f"ExcNodeList={','.join(sorted(nodes))}")


def hostnames(text: str) -> list[str]:
    """The nodes of Slurm's short notation, like gpu[001-003,7]; of a file of such lists where it is a path, as for sbatch."""
    if "/" in text:
        try:
            text = ",".join(Path(text).read_text().split())
        except (OSError, ValueError):
            raise UserError(f"--sbatch exclude={text}: a list of nodes cannot be read there") from None
    if text in ("", "(null)"):
        return []
    return call("scontrol", "show", "hostnames", text).split()


def nodes_like(node: str, partition: str) -> list[str]:
    """The other nodes of a partition that have what this one has."""
    rows = {
        tuple(line.split("|"))
        for line in call("sinfo", "-h", "-N", "-p", partition, "-o", "%N|%c|%m|%G|%f").splitlines()
    }
    mine = {row[1:] for row in rows if row[0] == node}
    return sorted(row[0] for row in rows if row[0] != node and row[1:] in mine)


def _scontrol_job(*command: str) -> str:
    """What scontrol prints. UserError where the job is the reason; every other failure is ControllerUnavailable."""
    try:
        return call("scontrol", *command)
    except UserError as error:
        if re.search("invalid job id|completing or completed", str(error), re.IGNORECASE):
            raise
        raise ControllerUnavailable(str(error)) from None


def minutes(text: str) -> float | None:
    """Slurm's notations of time: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S. UNLIMITED is infinity, anything else None."""
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return float("inf")
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if match is None:
        return None
    days, *parts = match.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, mins, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, mins, seconds = numbers
    else:
        hours, mins, seconds = 0, *(*numbers, 0)[:2]
    return int(days or 0) * 1440 + hours * 60 + mins + seconds / 60


def clock(mins: float) -> str:
    """Minutes in Slurm's notation."""
    if mins == float("inf"):
        return "UNLIMITED"
    days, rest = divmod(round(mins * 60), 86400)
    text = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{text}" if days else text


def megabytes(text: str) -> int | None:
    """Slurm's notations of memory: 16G, 16000M, 16000 (MB), 1T, with or without a B; anything else None."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text.strip().upper())
    if match is None:
        return None
    factor = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024 * 1024}[match[2]]
    return round(float(match[1]) * factor)


class JobState(NamedTuple):
    """One line of squeue or sacct."""

    job_id: str
    """12, or 12_3 for a task of an array."""
    state: str
    """PENDING, RUNNING, ..."""
    node: str
    reason: str
    """Why it waits."""
    minutes_left: float | None
    """Until the time limit."""
    limit: float | None
    """Time limit in minutes."""


def rows(text: str, columns: int) -> Iterator[list[str]]:
    """Lines of so many columns between bars; others are notes that Slurm printed in between."""
    lines = (line.split("|") for line in text.splitlines())
    return (line for line in lines if len(line) == columns)


def queue() -> dict[str, JobState]:
    """The user's jobs that wait or run, by id. Each task of an array is listed under its array name and its own number."""
    jobs = {}
    text = call("squeue", "--me", "-h", "-r", "-o", "%i|%A|%T|%N|%r|%L|%l")
    for name, number, state, node, reason, left, limit in rows(text, 7):
        job = JobState(name, state, node, reason, minutes(left), minutes(limit))
        jobs[name] = jobs[number] = job
    return jobs


def history(job_ids: list[str]) -> dict[str, JobState]:
    """How jobs ended, from accounting, by id; {} where the cluster keeps none."""
    if not job_ids or shutil.which("sacct") is None:
        return {}
    columns = "JobID,JobIDRaw,State,NodeList,Timelimit"
    try:
        text = call("sacct", "-X", "-nP", "-o", columns, "-j", ",".join(job_ids))
    except UserError:
        return {}
    jobs = {}
    for name, number, state, node, limit in rows(text, 5):
        jobs[name] = jobs[number] = JobState(name, state.partition(" ")[0], node, "", None, minutes(limit))
    return jobs
