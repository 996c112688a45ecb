"""What a Slurm cluster offers, and why a request would wait there for ever.

Slurm queues many impossible requests and leaves them pending; here they are refused before they are queued, with the
reason and the way out.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from litemono.jobs import slurm
from litemono.utils.errors import UserError

ENFORCES_ACCOUNTS = {"associations", "limits", "qos", "safe", "all"}
GONE = ("down", "drain", "fail", "maint", "unknown", "inval", "future")  # states of nodes that take no job now


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
        return not self.state.lower().startswith(GONE)


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
    nodes: tuple[Node, ...] = ()

    @property
    def most_gpus(self) -> int:
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
    """My accounts; None where the cluster does not say."""
    default_account: str | None
    accounts_enforced: bool
    parents: Mapping[str, str] = field(default_factory=dict)
    """Of accounts: a partition for an account takes those below it too."""

    def with_parents(self, account: str | None) -> list[str]:
        """The account, the one it belongs to, and so on; [] for none."""
        line: list[str] = []
        while account and account not in line:
            line.append(account)
            account = self.parents.get(account)
        return line

    @property
    def with_gpus(self) -> list[Partition]:
        return [partition for partition in self.partitions.values() if partition.most_gpus]


@dataclass(frozen=True)
class Request:
    """What a job asks for; memory in MB, everything per node."""

    partition: str | None
    nodes: int
    gpus: int
    cpus: int
    memory: int
    minutes: float
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None


# ---------------------------------------------------------------- reading


def read_cluster() -> Cluster:
    """Ask sinfo, scontrol and, for accounts, sacctmgr."""
    nodes = parse_nodes(slurm.call("sinfo", "-h", "-N", "-o", "%N|%R|%c|%m|%G|%f|%T"))
    partitions = parse_partitions(slurm.call("scontrol", "show", "partition", "-o"), nodes)
    settings = slurm.call("scontrol", "show", "config")
    enforce = re.search(r"^AccountingStorageEnforce\s*=\s*(.*)$", settings, re.MULTILINE)
    enforced = bool(enforce and ENFORCES_ACCOUNTS & set(enforce[1].strip().lower().split(",")))
    accounts, default = read_accounts()
    return Cluster(partitions, accounts, default, enforced, read_parents())


def read_accounts() -> tuple[tuple[str, ...] | None, str | None]:
    """My accounts and the default one; (None, None) where there is no accounting."""
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
        known = slurm.fields(line)
        name, most = known["PartitionName"], known.get("MaxNodes", "UNLIMITED")
        partitions[name] = Partition(
            name=name,
            default=known.get("Default") == "YES",
            up=known.get("State", "UP") == "UP",
            max_minutes=slurm.minutes(known.get("MaxTime", "UNLIMITED")) or float("inf"),
            max_nodes=float("inf") if most == "UNLIMITED" else int(most),
            accounts=names(known.get("AllowAccounts", "ALL")),
            denied_accounts=names(known.get("DenyAccounts", "")) or frozenset(),
            qos=names(known.get("AllowQos", "ALL")),
            nodes=tuple(node for node in nodes if node.partition == name),
        )
    return partitions


# ---------------------------------------------------------------- refusing


def check_request(cluster: Cluster, request: Request) -> Partition:
    """The first of the partitions asked for that can run the job; UserError where none can, or one does not exist."""
    asked = request.partition.split(",") if request.partition else [None]
    refusals = []
    for name in sorted(asked, key=lambda name: name in cluster.partitions):  # sbatch wants all of them to exist
        try:
            return check_partition(cluster, replace(request, partition=name))
        except UserError as error:
            if name is not None and name not in cluster.partitions:
                raise
            refusals.append(error)
    raise refusals[0]


def check_partition(cluster: Cluster, request: Request) -> Partition:
    """The one partition of the request, or the default one; UserError where the request can never start there."""
    partition = find_partition(cluster, request)
    check_account(cluster, partition, request)
    if request.minutes > partition.max_minutes:
        raise UserError(
            f"--time {slurm.clock(request.minutes)}: partition {partition.name} allows {slurm.clock(partition.max_minutes)}; "
            f"use --time {slurm.clock(partition.max_minutes)}: a run that needs longer goes on by itself in the next job"
        )
    if request.nodes > min(partition.max_nodes, len(partition.nodes)):
        most = int(min(partition.max_nodes, len(partition.nodes)))
        raise UserError(f"--nodes {request.nodes}: partition {partition.name} gives a job {most} at most")
    check_nodes(cluster, partition, request)
    return partition


def find_partition(cluster: Cluster, request: Request) -> Partition:
    choice = cluster.with_gpus if request.gpus else list(cluster.partitions.values())
    offer = "; ".join(map(str, choice)) or "none"
    what = "those with GPUs" if request.gpus else "there are"
    if request.partition is None:
        default = next((p for p in cluster.partitions.values() if p.default), None)
        if default is None:
            raise UserError(f"this cluster has no default partition, so give --partition; {what}: {offer}")
        partition = default
    elif request.partition not in cluster.partitions:
        raise UserError(f"--partition {request.partition}: there is no such partition; {what}: {offer}")
    else:
        partition = cluster.partitions[request.partition]
    if not partition.up:
        raise UserError(f"--partition {partition.name} is closed at present (its state is not UP); {what}: {offer}")
    if request.gpus and not partition.most_gpus:
        named = "--partition" if request.partition else "the default partition"
        raise UserError(f"{named} {partition.name} has no GPUs; {what}: {offer}; or --gpus_per_node 0 --device cpu")
    return partition


def check_account(cluster: Cluster, partition: Partition, request: Request) -> None:
    """Accounts are lower case in Slurm's data base."""
    account = (request.account or cluster.default_account or "").lower() or None
    mine = cluster.accounts
    yours = f"yours: {', '.join(mine)}" if mine else "you have none; ask the cluster's help desk for one"
    if cluster.accounts_enforced and mine is not None:
        if account is None:
            raise UserError(f"this cluster runs jobs of accounts only, so give --account; {yours}")
        if account not in mine:
            raise UserError(f"--account {account}: you have no such account; {yours}")
    allowed = partition.accounts
    line = cluster.with_parents(account)
    refused = allowed is not None and allowed.isdisjoint(line) or not partition.denied_accounts.isdisjoint(line)
    if refused and mine is not None:  # else only Slurm knows whose jobs these are
        who = (
            ", ".join(sorted(allowed))
            if allowed is not None
            else f"all but {', '.join(sorted(partition.denied_accounts))}"
        )
        given = f"--account {account}" if request.account else f"without --account (yours is {account})"
        raise UserError(f"{given}: partition {partition.name} runs jobs of these accounts only: {who}; {yours}")
    if request.qos and partition.qos is not None and request.qos not in partition.qos:
        raise UserError(f"--qos {request.qos}: partition {partition.name} takes {', '.join(sorted(partition.qos))}")


def features_of(request: Request) -> frozenset[str]:
    """What a node must have; nothing where --constraint is an expression that only Slurm can judge ("v100|a100")."""
    simple = request.constraint and not re.search(r"[|!()\[\]*]", request.constraint)
    return frozenset(re.findall(r"[\w.:-]+", request.constraint) if simple else ())


def nodes_for(partition: Partition, request: Request) -> list[Node]:
    """Those of the partition that --constraint allows."""
    return [node for node in partition.nodes if features_of(request) <= node.features]


def check_nodes(cluster: Cluster, partition: Partition, request: Request) -> None:
    """Enough nodes that have everything at once, and are not all broken."""
    known = frozenset().union(*(node.features for node in partition.nodes))
    nodes = nodes_for(partition, request)
    if not nodes:
        unknown = sorted(features_of(request) - known)
        has = f"has the feature {unknown[0]}" if unknown else "has all of these at once"
        raise UserError(
            f"--constraint {request.constraint}: no node of partition {partition.name} {has}; "
            f"there are: {', '.join(sorted(known)) or 'none'}"
        )
    for flag, wanted, unit, have in (
        ("--gpus_per_node", request.gpus, "GPUs", [node.gpu_count for node in nodes]),
        ("--cpus_per_task", request.cpus, "CPUs per node (tasks on a node x --cpus_per_task)", [n.cpus for n in nodes]),
        ("--mem", request.memory, "MB", [node.memory for node in nodes]),
    ):
        if wanted > max(have, default=0):
            raise UserError(
                f"{flag}: {wanted} {unit} is more than any node of partition {partition.name} has ({max(have, default=0)})"
                f"{_better(cluster, request)}"
            )
    able = [n for n in nodes if n.gpu_count >= request.gpus and n.cpus >= request.cpus and n.memory >= request.memory]
    if len(able) < request.nodes:
        raise UserError(
            f"partition {partition.name} has {len(able)} nodes with {request.gpus} GPUs, {request.cpus} CPUs and "
            f"{request.memory} MB at once, and --nodes {request.nodes} wants more; ask for less per node"
        )
    if sum(node.up for node in able) < request.nodes:
        states = ", ".join(f"{node.name} {node.state}" for node in able if not node.up)
        raise UserError(f"no job like this can start in partition {partition.name} until its nodes are back: {states}")


def _better(cluster: Cluster, request: Request) -> str:
    """Partitions that could take the request, as the end of a sentence."""
    fitting = []
    for partition in cluster.partitions.values():
        moved = replace(request, partition=partition.name)
        if any(
            n.gpu_count >= moved.gpus and n.cpus >= moved.cpus and n.memory >= moved.memory for n in partition.nodes
        ):
            fitting.append(partition.name)
    return f"; partitions that have: {', '.join(fitting)}" if fitting else "; no partition has, so ask for less"
