"""The partitions, nodes and accounts of a Slurm cluster, as sinfo, scontrol and sacctmgr report them."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from litemono.jobs import slurm
from litemono.jobs.group_limits import GroupLimits, read_groups, usage_is_kept
from litemono.jobs.limits import UserLimits, read_limits
from litemono.utils.errors import UserError

ENFORCES_ACCOUNTS = {"associations", "limits", "qos", "safe", "all"}
UNAVAILABLE = ("down", "drain", "fail", "maint", "unknown", "inval", "future")  # states of nodes that take no job now


@dataclass(frozen=True)
class Node:
    name: str
    partition: str
    cpus: int
    memory: int
    """MB"""
    gpus: dict[str, int]
    """By type; "gpu" where the cluster names none."""
    features: frozenset[str]
    state: str

    @property
    def gpu_count(self) -> int:
        return sum(self.gpus.values())

    @property
    def up(self) -> bool:
        return not self.state.lower().startswith(UNAVAILABLE)


@dataclass(frozen=True)
class Partition:
    name: str
    default: bool
    up: bool
    max_minutes: float
    max_nodes: float
    accounts: frozenset[str] | None
    """Those that may use it; None: all."""
    denied_accounts: frozenset[str]
    qos: frozenset[str] | None
    """Those that it takes; None: all."""
    own_qos: str | None = None
    """Whose limits hold for every job in it."""
    nodes: tuple[Node, ...] = ()

    @property
    def max_gpus(self) -> int:
        return max((node.gpu_count for node in self.nodes), default=0)

    def __str__(self) -> str:
        """For lists in messages: "gpu (2 nodes with 4 v100, up to 1-00:00:00)"."""
        best = max(self.nodes, key=lambda node: node.gpu_count, default=None)
        gpus = " + ".join(f"{count} {kind}" for kind, count in best.gpus.items()) if best and best.gpus else "no GPUs"
        return f"{self.name} ({len(self.nodes)} nodes with {gpus}, up to {slurm.clock(self.max_minutes)})"


@dataclass(frozen=True)
class Cluster:
    partitions: dict[str, Partition]
    accounts: tuple[str, ...] | None
    """Accounts of the user; None where the cluster has no accounting."""
    default_account: str | None
    accounts_enforced: bool
    parents: Mapping[str, str] = field(default_factory=dict)
    """Account -> the one above it; a partition for an account accepts those below it too."""
    limits: UserLimits = UserLimits()
    groups: GroupLimits = field(default_factory=lambda: GroupLimits({}))
    largest_array: int | None = None
    """Tasks of a job array."""
    cache_counts: bool = False
    """Whether a job's memory is limited by a cgroup, which counts the page cache of what it reads."""

    def with_parents(self, account: str | None) -> list[str]:
        """The account, the one it belongs to, and so on; [] for none."""
        return with_parents(account, self.parents)

    @property
    def with_gpus(self) -> list[Partition]:
        return [partition for partition in self.partitions.values() if partition.max_gpus]


def with_parents(account: str | None, parents: Mapping[str, str]) -> list[str]:
    line: list[str] = []
    while account and account not in line:
        line.append(account)
        account = parents.get(account)
    return line


def read_cluster() -> Cluster:
    """From sinfo, scontrol and, for accounts, sacctmgr. Raises UserError where one of the first two fails."""
    nodes = parse_nodes(slurm.call("sinfo", "-h", "-N", "-o", "%N|%R|%c|%m|%G|%f|%T"))
    partitions = parse_partitions(slurm.call("scontrol", "show", "partition", "-o"), nodes)
    settings = slurm.call("scontrol", "show", "config")
    enforce = re.search(r"^AccountingStorageEnforce\s*=\s*(.*)$", settings, re.MULTILINE)
    words = set(enforce[1].strip().lower().split(",")) if enforce else set()
    accounts, default = read_accounts()
    parents = read_parents()
    lines = {name for account in accounts or () for name in with_parents(account, parents)}
    constrained = re.search(r"^ConstrainRAMSpace\s*=\s*yes", settings, re.MULTILINE | re.IGNORECASE)
    size = re.search(r"^MaxArraySize\s*=\s*(\d+)", settings, re.MULTILINE)
    return Cluster(
        partitions,
        accounts,
        default,
        bool(ENFORCES_ACCOUNTS & words),
        parents,
        read_limits(words),
        read_groups(sorted(lines), words, usage_is_kept(settings)),
        largest_array=int(size[1]) if size else None,
        cache_counts=bool(constrained),
    )


def read_accounts() -> tuple[tuple[str, ...] | None, str | None]:
    """Accounts of the user and the default one; (None, None) where there is no accounting."""
    user = getpass.getuser()
    try:
        lines = slurm.call("sacctmgr", "-nP", "show", "assoc", f"user={user}", "format=account").split()
        default = slurm.call("sacctmgr", "-nP", "show", "user", user, "format=defaultaccount").split()
    except UserError:
        return None, None
    return tuple(sorted(set(lines))), default[0] if default else None


def read_parents() -> dict[str, str]:
    """Account -> the account above it; {} where there is no accounting."""
    try:
        lines = slurm.call("sacctmgr", "-nP", "show", "assoc", "format=account,user,parentname").splitlines()
    except UserError:
        return {}
    rows = [line.split("|") for line in lines]
    return {account: parent for account, user, parent in rows if not user and parent}


def parse_nodes(text: str) -> list[Node]:
    """Lines of `sinfo -h -N -o "%N|%R|%c|%m|%G|%f|%T"`: one per node and partition."""
    nodes = []
    for line in text.splitlines():
        name, partition, cpus, memory, gres, features, state = line.split("|")
        kinds = frozenset() if features == "(null)" else frozenset(re.split(r"[,&|]", features))
        # sinfo appends + where nodes of a line differ
        nodes.append(
            Node(name, partition, int(cpus.rstrip("+")), int(memory.rstrip("+")), parse_gres(gres), kinds, state)
        )
    return nodes


def parse_gres(text: str) -> dict[str, int]:
    """GPUs by type: "gpu:v100:4(S:0-1),nvme:1" -> {"v100": 4}; "gpu:2" -> {"gpu": 2}."""
    gpus: dict[str, int] = {}
    for item in re.sub(r"\([^)]*\)", "", text).split(","):
        match = re.fullmatch(r"gpu(?::([^:]+))?:(\d+)", item.strip())
        if match:
            kind = match[1] or "gpu"
            gpus[kind] = gpus.get(kind, 0) + int(match[2])
    return gpus


def parse_partitions(text: str, nodes: list[Node]) -> dict[str, Partition]:
    """Lines of `scontrol show partition -o`."""

    def names(value: str) -> frozenset[str] | None:
        return None if value in ("ALL", "(null)", "N/A", "") else frozenset(value.split(","))

    partitions = {}
    for line in text.splitlines():
        values = slurm.fields(line)
        name, max_nodes = values["PartitionName"], values.get("MaxNodes", "UNLIMITED")
        partitions[name] = Partition(
            name=name,
            default=values.get("Default") == "YES",
            up=values.get("State", "UP") == "UP",
            max_minutes=slurm.minutes(values.get("MaxTime", "UNLIMITED")) or float("inf"),
            max_nodes=float("inf") if max_nodes == "UNLIMITED" else int(max_nodes),
            accounts=names(values.get("AllowAccounts", "ALL")),
            denied_accounts=names(values.get("DenyAccounts", "")) or frozenset(),
            qos=names(values.get("AllowQos", "ALL")),
            own_qos=min(names(values.get("QoS", "N/A")) or [""]) or None,
            nodes=tuple(node for node in nodes if node.partition == name),
        )
    return partitions
