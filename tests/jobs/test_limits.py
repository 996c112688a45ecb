"""Limits of QOS and associations, before the queue."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jobs.test_admission import GOOD, NODES, PARTITIONS

from litemono.jobs import slurm
from litemono.jobs.admission import check_request, check_submission
from litemono.jobs.cluster import Cluster, parse_nodes, parse_partitions
from litemono.jobs.limits import ACCOUNT_COLUMNS, QOS_COLUMNS, UserLimits, parse_associations, parse_qos
from litemono.utils.errors import UserError


def row(columns: str, **values: object) -> str:
    return "|".join(str(values.get(name, "")) for name in columns.split(","))


@pytest.fixture
def cluster_with():
    """A cluster that enforces limits: of QOS `short` and `normal`, the partition's own QOS, and the user's association."""

    def make(short: dict | None = None, partition: dict | None = None, account: dict | None = None) -> Cluster:
        text = PARTITIONS.replace("AllowQos=normal", "AllowQos=ALL QoS=part" if partition else "AllowQos=ALL")
        qos = [
            row(QOS_COLUMNS, name=name, **values)
            for name, values in (("normal", {}), ("short", short or {}), ("part", partition or {}))
        ]
        mine = row(ACCOUNT_COLUMNS, **{"account": "research", "qos": "normal,short", **(account or {})})
        user_limits = UserLimits(True, True, parse_qos("\n".join(qos)), parse_associations(mine))
        return Cluster(parse_partitions(text, parse_nodes(NODES)), ("research",), "research", True, limits=user_limits)

    return make


BEYOND = [
    ({"maxwall": "00:30:00"}, ["--time 1-00:00:00", "allows a job 00:30:00", "use --time 00:30:00"]),
    ({"maxtres": "gres/gpu=1"}, ["--gpus_per_node", "allows a job 1 GPUs", "asks for 2"]),
    ({"maxtrespernode": "cpu=1"}, ["--cpus_per_task", "on each node 1 CPUs"]),
    ({"maxtresmins": "gres/gpu=1440"}, ["1440 GPUs", "2880"]),
    ({"maxtrespu": "cpu=64,gres/gpu=1"}, ["all jobs of a user together 1 GPUs"]),
    ({"mintres": "gres/gpu=4"}, ["at least 4 GPUs", "not 2"]),
]
PLACES = {"short": "--qos short", "partition": "--qos part", "account": "--account research"}


@pytest.mark.parametrize(("values", "words"), BEYOND)
@pytest.mark.parametrize("place", PLACES)
def test_a_job_beyond_a_limit_is_refused_with_what_is_allowed(cluster_with, values, words, place):
    request = replace(GOOD, gpus=2, qos="short")
    assert check_request(cluster_with(), request).name == "gpu-v100"
    if set(values) <= set((ACCOUNT_COLUMNS if place == "account" else QOS_COLUMNS).split(",")):
        with pytest.raises(UserError) as caught:
            check_request(cluster_with(**{place: values}), request)
        assert all(word in str(caught.value) for word in [PLACES[place], *words]), str(caught.value)


def test_the_partitions_qos_comes_before_the_jobs_and_both_before_the_account(cluster_with):
    """As in Slurm's documentation; a QOS with OverPartQOS comes first."""
    day, hour = {"maxwall": "1-00:00:00"}, {"maxwall": "01:00:00"}
    request = replace(GOOD, qos="short")
    check_request(cluster_with(short=day, account=hour), request)
    check_request(cluster_with(short=hour, partition=day), request)
    check_request(cluster_with(short={**day, "flags": "OverPartQOS"}, partition=hour), request)
    with pytest.raises(UserError, match="MaxWall"):
        check_request(cluster_with(short=day, partition=hour), request)


def test_a_qos_of_others_is_refused_and_the_default_one_counts(cluster_with):
    with pytest.raises(UserError, match="--qos urgent: account research may not use it; yours: normal, short"):
        check_request(cluster_with(), replace(GOOD, qos="urgent"))
    cluster = cluster_with(short={"maxwall": "01:00:00"}, account={"defaultqos": "short"})
    with pytest.raises(UserError, match="--qos short allows a job 01:00:00"):
        check_request(cluster, GOOD)


def test_limits_that_the_cluster_does_not_enforce_refuse_nothing(cluster_with):
    cluster = cluster_with(short={"maxwall": "00:30:00"})
    relaxed = replace(cluster, limits=replace(cluster.limits, limits_enforced=False))
    assert check_request(relaxed, replace(GOOD, qos="short"))


@pytest.mark.parametrize(
    "place, column", [("short", "maxsubmitpu"), ("short", "maxsubmitpa"), ("account", "maxsubmit")]
)
def test_jobs_beyond_the_submit_limit_are_refused_before_the_queue(cluster_with, monkeypatch, place, column):
    lines = "research|short|cpu\nresearch|short|cpu\nother|normal|cpu\n"
    monkeypatch.setattr(slurm, "call", lambda *command: lines)
    cluster, request = cluster_with(**{place: {column: 4}}), replace(GOOD, qos="short")
    partition = check_request(cluster, request)
    check_submission(cluster, partition, request, tasks=2)
    with pytest.raises(UserError, match="allows 4 jobs that wait or run at a time.*; 2 are in the queue.*would add 3"):
        check_submission(cluster, partition, request, tasks=2, before=1)


def test_the_qos_of_a_partition_counts_the_jobs_in_it_and_no_others(cluster_with, monkeypatch):
    """As seen with Slurm 22.05: jobs under the same QOS as ours, in another partition, do not count."""
    cluster = cluster_with(partition={"maxsubmitpu": 2})
    here = cluster.partitions["gpu-v100"]
    lines = {"elsewhere": "research|normal|cpu\n" * 2, "here": "research|normal|gpu-v100\n" * 2}
    monkeypatch.setattr(slurm, "call", lambda *command: lines["elsewhere"])
    check_submission(cluster, here, GOOD, tasks=1)
    monkeypatch.setattr(slurm, "call", lambda *command: lines["here"])
    with pytest.raises(UserError, match="--qos part allows 2 jobs"):
        check_submission(cluster, here, GOOD, tasks=1)


@pytest.mark.parametrize("column", ["maxjobspu", "maxjobspa"])
def test_a_qos_that_runs_no_jobs_is_refused_and_one_that_runs_some_comes_before_the_account(cluster_with, column):
    request = replace(GOOD, qos="short")
    closed, open_ = cluster_with(short={column: 0}), cluster_with(short={column: 5}, account={"maxjobs": 0})
    check_submission(open_, open_.partitions["gpu-v100"], request, tasks=1)
    with pytest.raises(UserError, match="--qos short runs no jobs at present"):
        check_submission(closed, closed.partitions["gpu-v100"], request, tasks=1)


def test_a_qos_for_jobs_beyond_the_partitions_limits_lifts_them(cluster_with):
    for flag, beyond in (("PartitionTimeLimit", {"minutes": 1e5}), ("PartitionMaxNodes", {"nodes": 1})):
        request = replace(GOOD, qos="short", **beyond)
        made = cluster_with(short={"flags": f"DenyOnLimit,{flag}"}), cluster_with(short={"flags": "DenyOnLimit"})
        lifted, kept = (
            replace(
                c, partitions={n: replace(p, max_nodes=0 if "nodes" in beyond else 1) for n, p in c.partitions.items()}
            )
            for c in made
        )
        assert check_request(lifted, request).name == "gpu-v100"
        with pytest.raises(UserError, match=r"partition gpu-v100 allows"):
            check_request(kept, request)


def test_a_sweep_larger_than_an_array_may_be_is_refused(cluster_with):
    cluster = replace(cluster_with(), largest_array=1001)
    check_submission(cluster, cluster.partitions["gpu-v100"], GOOD, tasks=1000)
    with pytest.raises(UserError, match="--sweep: 1001 runs, and an array of this cluster has 1000 at most"):
        check_submission(cluster, cluster.partitions["gpu-v100"], GOOD, tasks=1001)
