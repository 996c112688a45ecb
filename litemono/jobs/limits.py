"""Limits of a user's associations and QOS, which Slurm checks when a job is submitted or about to start.

A job beyond one of them is refused by sbatch, or waits in the queue without end. See "Resource Limits" in Slurm's
documentation: the partition's QOS comes before the job's QOS (the other way round with the flag OverPartQOS), and both come
before the user's association. What the first of them limits, the next ones do not. What jobs may use together is in
group_limits.py.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from litemono.jobs import slurm
from litemono.utils.errors import UserError

ENFORCES_LIMITS = {"limits", "safe", "all"}
ENFORCES_QOS = {"qos", "all"}
ACCOUNT_COLUMNS = "account,partition,qos,defaultqos,maxwall,maxtres,maxtrespernode,maxtresmins,maxjobs,maxsubmit"
QOS_COLUMNS = (
    "name,flags,maxwall,maxtres,maxtrespernode,maxtresmins,mintres,maxtrespu,maxtrespa,maxjobspu,"
    "maxjobspa,maxsubmitpu,maxsubmitpa"
)


@dataclass(frozen=True)
class Limits:
    """Of one QOS or association; what has no value is not limited."""

    name: str
    """For messages: "--qos short", "account research"."""
    values: Mapping[str, str]
    """Column of sacctmgr -> its text, where there is one."""

    def minutes(self) -> float | None:
        return slurm.minutes(self.values["maxwall"]) if "maxwall" in self.values else None

    def number(self, column: str) -> int | None:
        value = self.values.get(column, "")
        return int(value) if value.isdigit() else None

    def resources(self, column: str) -> dict[str, float]:
        """ "cpu=64,gres/gpu=2,mem=1T" -> numbers by name, memory in MB."""
        pairs = (item.partition("=")[::2] for item in self.values.get(column, "").split(","))
        read = {name: _amount(name, text) for name, text in pairs}
        return {name: amount for name, amount in read.items() if amount is not None}


def _amount(name: str, text: str) -> float | None:
    if name == "mem":
        return slurm.megabytes(text)
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


@dataclass(frozen=True)
class Association:
    """What a user may do with one account, in one partition or in all of them."""

    account: str
    partition: str
    """Empty: every partition."""
    qos: tuple[str, ...]
    default_qos: str
    limits: Limits


@dataclass(frozen=True)
class UserLimits:
    """The limits of all QOS and of the user's associations."""

    limits_enforced: bool = False
    qos_enforced: bool = False
    qos: Mapping[str, Limits] = field(default_factory=dict)
    associations: tuple[Association, ...] = ()

    def association(self, account: str | None, partition: str) -> Association | None:
        """The one that applies to a job: that of the partition before the general one."""
        mine = [a for a in self.associations if a.account == account and a.partition in ("", partition)]
        return max(mine, key=lambda a: bool(a.partition), default=None)

    def qos_in_order(self, qos: str, partition_qos: str | None) -> list[str]:
        """The QOS that limit a job, by precedence."""
        order = [partition_qos or "", qos]
        if self.has_flag(qos, "OverPartQOS"):
            order.reverse()
        return [name for name in order if name in self.qos]

    def has_flag(self, qos: str, flag: str) -> bool:
        return qos in self.qos and flag in self.qos[qos].values.get("flags", "").split(",")

    def in_order(self, qos: str, partition_qos: str | None, association: Association | None) -> list[Limits]:
        """The limits of a job, by precedence."""
        ordered = [self.qos[name] for name in self.qos_in_order(qos, partition_qos)]
        return [*ordered, association.limits] if association else ordered


@dataclass(frozen=True)
class JobResources:
    """What a job asks for on all its nodes together."""

    minutes: float
    nodes: int
    cpus: int
    memory: int
    """MB"""
    gpus: int

    def amounts(self) -> dict[str, float]:
        return {"node": self.nodes, "cpu": self.cpus, "mem": self.memory, "gres/gpu": self.gpus}


FLAGS = {
    "node": "--nodes",
    "cpu": "--cpus_per_task",
    "mem": "--mem",
    "gres/gpu": "--gpus_per_node",
}
UNITS = {"node": "nodes", "cpu": "CPUs", "mem": "MB", "gres/gpu": "GPUs"}


def check_qos(user_limits: UserLimits, qos: str | None, association: Association | None) -> str:
    """The QOS that the job will have; UserError where the association does not allow the one that was asked for."""
    if association is None:
        return qos or "normal"
    if qos and user_limits.qos_enforced and association.qos and qos not in association.qos:
        raise UserError(
            f"--qos {qos}: account {association.account} may not use it; yours: {', '.join(association.qos)}"
        )
    return qos or association.default_qos or (association.qos[0] if len(association.qos) == 1 else "normal")


def check_limits(ordered: list[Limits], job: JobResources) -> None:
    """UserError for the first limit that the job would exceed, with the value that is allowed."""
    wall = next((limits for limits in ordered if limits.minutes() is not None), None)
    if wall and job.minutes > (most := wall.minutes() or 0):
        raise UserError(
            f"--time {slurm.clock(job.minutes)}: {wall.name} allows a job {slurm.clock(most)} (MaxWall); use --time "
            f"{slurm.clock(most)}: a run that needs longer is requeued and resumes"
        )
    amounts = job.amounts()
    per_node = {name: amount / job.nodes for name, amount in amounts.items()}
    minutes = {name: amount * job.minutes for name, amount in amounts.items()}
    for columns, wanted, what in (
        (("maxtres",), amounts, "a job"),
        (("maxtrespernode",), per_node, "a job on each node"),
        (("maxtrespu",), amounts, "all jobs of a user together"),
        (("maxtrespa",), amounts, "all jobs of an account together"),
        (("maxtresmins",), minutes, "a job, times its minutes,"),
    ):
        for column in columns:
            _check_resources(ordered, column, wanted, what)
    for name, least, limits in _strictest(ordered, "mintres"):
        if amounts.get(name, least) < least:
            raise UserError(
                f"{FLAGS[name]}: {limits.name} takes jobs of at least {least:g} {UNITS[name]} (MinTRES), not {amounts[name]:g}"
            )


def _check_resources(ordered: list[Limits], column: str, wanted: Mapping[str, float], what: str) -> None:
    for name, most, limits in _strictest(ordered, column):
        if wanted.get(name, 0) > most:
            raise UserError(
                f"{FLAGS[name]}: {limits.name} allows {what} {most:g} {UNITS[name]}, and this job asks for {wanted[name]:g}; "
                "ask for less, or for another --qos or --account"
            )


def _strictest(ordered: list[Limits], column: str) -> Iterable[tuple[str, float, Limits]]:
    """For each resource the limit that counts: name, number, and where it is from."""
    seen: set[str] = set()
    for limits in ordered:
        for name, amount in limits.resources(column).items():
            if name in FLAGS and name not in seen:
                seen.add(name)
                yield name, amount, limits


def check_submissions(
    ordered: list[Limits], account: str | None, partition_qos: Mapping[str, str | None], new_jobs: int
) -> None:
    """UserError where sbatch would refuse `new_jobs` more jobs beside those that wait or run already, or none would start.

    partition_qos: partition -> its own QOS, which counts every job in it.
    """
    for limits, whose in counting(ordered, "maxsubmit"):
        most = limits.number(f"maxsubmit{whose}") or 0
        found = sum(_counts(limits, job, account, whose, partition_qos) for job in _queued(account, whose))
        if found + new_jobs > most:
            together = f", of all users of account {account} together" if whose == "pa" else ""
            raise UserError(
                f"{limits.name} allows {most} jobs that wait or run at a time{together}; {found} are in the queue, and this "
                f"would add {new_jobs}; wait for some to end, scancel them, or make a smaller --sweep"
            )
    for limits, whose in counting(ordered, "maxjobs"):
        if limits.number(f"maxjobs{whose}") == 0:
            raise UserError(f"{limits.name} runs no jobs at present (a limit of 0); choose another --qos or --account")


def counting(ordered: list[Limits], kind: str) -> Iterator[tuple[Limits, str]]:
    """The limits on numbers of jobs that hold, with the end of their column: "pu" of a QOS for the user, "pa" for the account;
    "" of the association, where no QOS limits either."""
    found = False
    for whose in ("pu", "pa", ""):
        limits = next((limits for limits in ordered if limits.number(kind + whose) is not None), None)
        if limits is not None and (whose or not found):
            found = True
            yield limits, whose


class _Job(NamedTuple):
    account: str
    qos: str
    partition: str


def _counts(
    limits: Limits, job: _Job, account: str | None, whose: str, partition_qos: Mapping[str, str | None]
) -> bool:
    """Whether a job in the queue is one of those that the limit counts."""
    if not whose:
        return job.account == account
    return limits.values["name"] in (job.qos, partition_qos.get(job.partition.partition(",")[0]))


def _queued(account: str | None, whose: str) -> list[_Job]:
    """The user's jobs, or with "pa" those of the account, each task of an array by itself."""
    mine = ("-A", account) if whose == "pa" and account else ("--me",)
    return [_Job(*row) for row in slurm.rows(slurm.call("squeue", *mine, "-h", "-r", "-o", "%a|%q|%P"), 3)]


# ---------------------------------------------------------------- reading


def read_limits(enforce: set[str]) -> UserLimits:
    """From sacctmgr; no limits where there is no accounting, or nothing is enforced.

    enforce: the words of AccountingStorageEnforce.
    """
    limits, qos = bool(enforce & ENFORCES_LIMITS), bool(enforce & ENFORCES_QOS)
    if not (limits or qos):
        return UserLimits()
    try:
        all_qos = slurm.call("sacctmgr", "-nP", "show", "qos", f"format={QOS_COLUMNS}")
        mine = slurm.call("sacctmgr", "-nP", "show", "assoc", f"user={getpass.getuser()}", f"format={ACCOUNT_COLUMNS}")
    except UserError:
        return UserLimits()
    return UserLimits(limits, qos, parse_qos(all_qos), parse_associations(mine))


def parse_qos(text: str) -> dict[str, Limits]:
    """Lines of `sacctmgr -nP show qos format=QOS_COLUMNS`."""
    rows = [_row(line, QOS_COLUMNS) for line in text.splitlines()]
    return {row["name"]: Limits(f"--qos {row['name']}", row) for row in rows if "name" in row}


def parse_associations(text: str) -> tuple[Association, ...]:
    """Lines of `sacctmgr -nP show assoc format=ACCOUNT_COLUMNS`."""
    found = []
    for row in (_row(line, ACCOUNT_COLUMNS) for line in text.splitlines()):
        if account := row.get("account"):
            qos = tuple(name for name in row.get("qos", "").split(",") if name)
            limits = Limits(f"--account {account}", row)
            found.append(Association(account, row.get("partition", ""), qos, row.get("defaultqos", ""), limits))
    return tuple(found)


def _row(line: str, columns: str) -> dict[str, str]:
    """The columns that have a value."""
    return {name: value for name, value in zip(columns.split(","), line.split("|"), strict=False) if value}
