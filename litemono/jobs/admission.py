"""Admission check: why a job could never start on this cluster.

Slurm queues many impossible requests and leaves them pending. Here they are refused before they are queued, with the
reason and what to change.
"""

from __future__ import annotations

import getpass
import math
import re
from dataclasses import dataclass, replace
from functools import partial

from litemono.jobs import group_limits, limits, slurm
from litemono.jobs.cluster import Cluster, Node, Partition
from litemono.utils.errors import UserError


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
    exclude: str = ""
    """Nodes, in Slurm's short notation."""
    memory_reason: str = "--mem"
    """Where the amount of memory comes from, for messages."""


def check_request(cluster: Cluster, request: Request) -> Partition:
    """The first of the partitions asked for that can run the job; UserError where none can, or one does not exist."""
    asked = request.partition.split(",") if request.partition else [None]
    refusals = []
    for name in sorted(asked, key=lambda name: name in cluster.partitions):  # sbatch requires all of them to exist
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
    qos, ordered = limits_of(cluster, partition, request)
    free = partial(cluster.limits.has_flag, qos)  # such a QOS is for jobs beyond the partition's own limits
    if request.minutes > partition.max_minutes and not free("PartitionTimeLimit"):
        raise UserError(
            f"--time {slurm.clock(request.minutes)}: partition {partition.name} allows {slurm.clock(partition.max_minutes)}; "
            f"use --time {slurm.clock(partition.max_minutes)}: a run that needs longer is requeued and resumes"
        )
    most = int(min(math.inf if free("PartitionMaxNodes") else partition.max_nodes, len(partition.nodes)))
    if request.nodes > most:
        raise UserError(f"--nodes {request.nodes}: partition {partition.name} allows a job {most} at most")
    check_nodes(cluster, partition, request)
    wanted = limits.JobResources(
        request.minutes,
        request.nodes,
        request.cpus * request.nodes,
        request.memory * request.nodes,
        request.gpus * request.nodes,
    )
    limits.check_limits(ordered, wanted)
    group_limits.check_groups(quotas_of(cluster, partition, request, qos), wanted, cluster.groups)
    return partition


def limits_of(cluster: Cluster, partition: Partition, request: Request) -> tuple[str, list[limits.Limits]]:
    """The job's QOS, and what limits the job; no limits where the cluster does not enforce them."""
    user_limits = cluster.limits
    association = user_limits.association(account_of(cluster, request), partition.name)
    qos = limits.check_qos(user_limits, request.qos, association)
    return qos, user_limits.in_order(qos, partition.own_qos, association) if user_limits.limits_enforced else []


def check_submission(cluster: Cluster, partition: Partition, request: Request, tasks: int, before: int = 0) -> None:
    """UserError where sbatch would refuse a job of so many array tasks, with `before` other jobs submitted first."""
    if cluster.largest_array is not None and tasks > max(cluster.largest_array - 1, 1):
        raise UserError(
            f"--sweep: {tasks} runs, and an array of this cluster has {cluster.largest_array - 1} at most (MaxArraySize); "
            "make several sweeps of it"
        )
    qos, ordered = limits_of(cluster, partition, request)
    partition_qos = {name: each.own_qos for name, each in cluster.partitions.items()}
    limits.check_submissions(ordered, account_of(cluster, request), partition_qos, tasks + before)
    group_limits.check_group_submissions(quotas_of(cluster, partition, request, qos), tasks + before)


def quotas_of(cluster: Cluster, partition: Partition, request: Request, qos: str) -> list[group_limits.Holder]:
    """What the job shares with other jobs."""
    names = cluster.limits.qos_in_order(qos, partition.own_qos)
    accounts = cluster.with_parents(account_of(cluster, request))
    return list(cluster.groups.holders(names, accounts, getpass.getuser(), partition.name))


def account_of(cluster: Cluster, request: Request) -> str | None:
    """The account whose limits apply; accounts are lower case in Slurm's database."""
    return (request.account or cluster.default_account or "").lower() or None


def find_partition(cluster: Cluster, request: Request) -> Partition:
    choice = cluster.with_gpus if request.gpus else list(cluster.partitions.values())
    listed = "; ".join(map(str, choice)) or "none"
    what = "those with GPUs" if request.gpus else "there are"
    if request.partition is None:
        default = next((p for p in cluster.partitions.values() if p.default), None)
        if default is None:
            raise UserError(f"this cluster has no default partition, so give --partition; {what}: {listed}")
        partition = default
    elif request.partition not in cluster.partitions:
        raise UserError(f"--partition {request.partition}: there is no such partition; {what}: {listed}")
    else:
        partition = cluster.partitions[request.partition]
    if not partition.up:
        raise UserError(f"--partition {partition.name} is closed at present (its state is not UP); {what}: {listed}")
    if request.gpus and not partition.max_gpus:
        named = "--partition" if request.partition else "the default partition"
        raise UserError(f"{named} {partition.name} has no GPUs; {what}: {listed}; or --gpus_per_node 0 --device cpu")
    return partition


def check_account(cluster: Cluster, partition: Partition, request: Request) -> None:
    """UserError where the job's account may not run there."""
    account = account_of(cluster, request)
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
    if refused and mine is not None:  # else the account of the job is not known here
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
    """Features that a node must have; none where --constraint is an expression that only Slurm evaluates ("v100|a100")."""
    constraint = request.constraint or ""
    simple = not re.search(r"[|!()\[\]*]", constraint)
    return frozenset(re.findall(r"[\w.:-]+", constraint) if simple else ())


def nodes_for(partition: Partition, request: Request) -> list[Node]:
    """Those of the partition that --constraint allows."""
    return [node for node in partition.nodes if features_of(request) <= node.features]


def check_nodes(cluster: Cluster, partition: Partition, request: Request) -> None:
    """UserError unless enough nodes have all that is asked for, and enough of these are up."""
    available = frozenset().union(*(node.features for node in partition.nodes))
    partition = without_excluded(partition, request)
    nodes = nodes_for(partition, request)
    if not nodes:
        unknown = sorted(features_of(request) - available)
        has = f"has the feature {unknown[0]}" if unknown else "has all of these at once"
        raise UserError(
            f"--constraint {request.constraint}: no node of partition {partition.name} {has}; "
            f"there are: {', '.join(sorted(available)) or 'none'}"
        )
    for flag, wanted, unit, have in (
        ("--gpus_per_node", request.gpus, "GPUs", [node.gpu_count for node in nodes]),
        ("--cpus_per_task", request.cpus, "CPUs per node (tasks on a node x --cpus_per_task)", [n.cpus for n in nodes]),
        ("--mem", request.memory, "MB", [node.memory for node in nodes]),
    ):
        if wanted > max(have, default=0):
            raise UserError(
                f"{flag}: {wanted} {unit} is more than any node of partition {partition.name} has ({max(have, default=0)})"
                f"{_partitions_that_fit(cluster, request)}"
            )
    able = [n for n in nodes if n.gpu_count >= request.gpus and n.cpus >= request.cpus and n.memory >= request.memory]
    if len(able) < request.nodes:
        raise UserError(
            f"partition {partition.name} has {len(able)} nodes with {request.gpus} GPUs, {request.cpus} CPUs and "
            f"{request.memory} MB at once, and --nodes {request.nodes} needs more; ask for less per node"
        )
    if sum(node.up for node in able) < request.nodes:
        states = ", ".join(f"{node.name} {node.state}" for node in able if not node.up)
        raise UserError(f"no job like this can start in partition {partition.name} until its nodes are back: {states}")


def without_excluded(partition: Partition, request: Request) -> Partition:
    """The partition with the nodes that the request leaves. UserError where these are too few."""
    if not request.exclude:
        return partition
    excluded = set(slurm.hostnames(request.exclude))
    left = tuple(node for node in partition.nodes if node.name not in excluded)
    if len(left) < request.nodes:
        raise UserError(
            f"--sbatch exclude={request.exclude}: leaves {len(left) or 'no'} node{'s' * (len(left) > 1)} of partition "
            f"{partition.name}, and --nodes {request.nodes} needs more; exclude fewer"
        )
    return replace(partition, nodes=left)


def _partitions_that_fit(cluster: Cluster, request: Request) -> str:
    """Partitions that could take the request, as the end of a sentence."""
    fitting = []
    for partition in cluster.partitions.values():
        moved = replace(request, partition=partition.name)
        if any(
            n.gpu_count >= moved.gpus and n.cpus >= moved.cpus and n.memory >= moved.memory for n in partition.nodes
        ):
            fitting.append(partition.name)
    return f"; partitions that have: {', '.join(fitting)}" if fitting else "; no partition has, so ask for less"
