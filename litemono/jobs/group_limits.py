"""Limits on all jobs of a QOS, of an account, or of an account above it together: GrpTRES, GrpTRESMins, GrpWall and the like.

What a QOS limits, accounts do not. Otherwise the limits of the user's association, of its account and of every account
above that hold all at once. See "Resource Limits" in Slurm's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from litemono.jobs import slurm
from litemono.jobs.limits import FLAGS, UNITS, JobResources
from litemono.utils.errors import UserError

QUOTA = re.compile(r"(?:([\w/:]+)=)?(\d+)\((\d+(?:\.\d+)?)\)")  # N(0) is no limit
KINDS = ("GrpTRES", "GrpTRESMins", "GrpTRESRunMins", "GrpWall", "GrpJobs", "GrpSubmitJobs")


class Quota(NamedTuple):
    most: float
    used: float


@dataclass(frozen=True)
class Group:
    """Jobs that share quotas: those of a QOS or of an association."""

    name: str
    """Of the QOS or account."""
    user: str
    """Empty: the account's own."""
    partition: str
    """Empty: every partition."""
    quotas: Mapping[tuple[str, str], Quota]
    """By kind and resource, such as ("GrpTRES", "gres/gpu"); the resource is empty where the kind has none."""


@dataclass(frozen=True)
class GroupLimits:
    """Every group that concerns the user, with what is used of its quotas."""

    qos: Mapping[str, Group]
    associations: tuple[Group, ...] = ()
    whole_jobs: bool = False
    """A job starts only where its minutes fit into what is left (AccountingStorageEnforce=safe)."""
    usage_is_kept: bool = False
    """Used minutes neither decay nor are reset: what is used up stays so."""

    def holders(self, qos: Sequence[str], accounts: Sequence[str], user: str, partition: str) -> Iterator[Holder]:
        """Quotas of a job. qos: those that count, the first in front; accounts: the job's and those above it."""
        limited: set[tuple[str, str]] = set()
        for name in qos:
            for key, quota in self.qos[name].quotas.items() if name in self.qos else ():
                if key not in limited:
                    limited.add(key)
                    yield Holder(f"--qos {name}", *key, quota)
        mine = [group for group in self.associations if group.user in ("", user) and group.partition in ("", partition)]
        for account in accounts:
            above = "" if account == accounts[0] else f", above {accounts[0]},"
            for group in (group for group in mine if group.name == account):
                for key, quota in group.quotas.items():
                    if key not in limited:
                        yield Holder(f"account {account}{above}", *key, quota)


class Holder(NamedTuple):
    """A quota and whose it is."""

    name: str
    kind: str
    resource: str
    quota: Quota


def check_groups(holders: Iterable[Holder], job: JobResources, groups: GroupLimits) -> None:
    """UserError for the first quota in which the job has no place, however long it waits."""
    amounts = job.amounts()
    for name, kind, resource, (most, used) in holders:
        if kind == "GrpTRES" and amounts.get(resource, 0) > most:
            raise UserError(
                f"{FLAGS[resource]}: {name} allows all its jobs together {most:g} {UNITS[resource]} ({kind}), and this job asks "
                f"for {amounts[resource]:g}; ask for less, or for another --qos or --account"
            )
        if kind == "GrpJobs" and most == 0:
            raise UserError(f"{name} runs no jobs at present ({kind}=0); choose another --qos or --account")
        if kind == "GrpTRESRunMins" and (need := amounts.get(resource, 0) * job.minutes) > most:
            raise UserError(
                f"--time: {name} allows all jobs that run together {most:g} minutes of {UNITS[resource]} to come ({kind}), and "
                f"this job needs {need:g}; use a shorter --time: a run that needs longer is requeued and resumes"
            )
        if kind in ("GrpTRESMins", "GrpWall"):
            amount = 1.0 if kind == "GrpWall" else amounts.get(resource, 0)
            what = "minutes" if kind == "GrpWall" else f"minutes of {UNITS[resource]}"
            _check_budget(name, f"{most:g} {what} ({kind})", most, used, amount * job.minutes, groups)


def _check_budget(name: str, budget: str, most: float, used: float, need: float, groups: GroupLimits) -> None:
    """UserError where minutes that are used up stay so, or where the job alone needs more than there are."""
    if need and groups.whole_jobs and need > most:
        raise UserError(
            f"--time: {name} gives all its jobs together {budget}, and this job may take {need:g}; use a shorter --time: a run "
            "that needs longer is requeued and resumes"
        )
    left = most - used
    if need and groups.usage_is_kept and (left <= 0 or groups.whole_jobs and need > left):
        shorter = "a shorter --time, " if left > 0 else ""
        raise UserError(
            f"{name} gives all its jobs together {budget}, and {max(left, 0):g} are left; this job may take {need:g}; use "
            f"{shorter}another --qos or --account, or ask the cluster's help desk for more"
        )


def check_group_submissions(holders: Iterable[Holder], new_jobs: int) -> None:
    """UserError where sbatch would refuse `new_jobs` more jobs of a group."""
    for name, kind, _, (most, used) in holders:
        if kind == "GrpSubmitJobs" and used + new_jobs > most:
            raise UserError(
                f"{name} allows {most:g} jobs that wait or run at a time, of all its users together ({kind}); {used:g} are in "
                f"the queue, and this would add {new_jobs}; wait for some to end, or make a smaller --sweep"
            )


# ---------------------------------------------------------------- reading


def read_groups(accounts: Sequence[str], enforce: set[str], usage_is_kept: bool) -> GroupLimits:
    """From the controller's record of associations; no limits where it shows none or limits are not enforced.

    accounts: the user's and those above them. enforce: the words of AccountingStorageEnforce.
    """
    empty = GroupLimits({})
    if not enforce & {"limits", "safe", "all"} or not accounts:
        return empty
    try:
        qos = slurm.call("scontrol", "-o", "show", "assoc_mgr", "flags=qos")
        mine = slurm.call("scontrol", "-o", "show", "assoc_mgr", "flags=assoc", f"accounts={','.join(accounts)}")
    except UserError:
        return empty
    return GroupLimits(
        {group.name: group for group in parse_groups(qos)},
        tuple(parse_groups(mine)),
        bool(enforce & {"safe", "all"}),
        usage_is_kept,
    )


def parse_groups(text: str) -> Iterator[Group]:
    """Lines of `scontrol -o show assoc_mgr`."""
    for line in text.splitlines():
        values = slurm.fields(line)
        name = values.get("Account") or values.get("QOS")
        if name:
            quotas = {
                (kind, resource): Quota(float(most), float(used))
                for kind in KINDS
                for resource, most, used in QUOTA.findall(values.get(kind, ""))
                if not resource or resource in FLAGS
            }
            user, partition = without_id(values.get("UserName", "")), values.get("Partition", "")
            yield Group(without_id(name), user, partition, quotas)


def without_id(text: str) -> str:
    """ "normal(1)" -> "normal"."""
    return re.sub(r"\(\d+\)$", "", text)


def usage_is_kept(config: str) -> bool:
    """Of `scontrol show config`: whether the minutes that were used are counted without end."""
    values = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", config, re.MULTILINE))
    half_life, reset = values.get("PriorityDecayHalfLife", "00:00:00"), values.get("PriorityUsageResetPeriod", "NONE")
    return half_life in ("00:00:00", "0") and reset.upper() == "NONE"
