"""Requests that could never start are refused before they are queued."""

from __future__ import annotations

from dataclasses import replace

import pytest

from litemono.jobs.admission import Request, check_request, nodes_for
from litemono.jobs.cluster import Cluster, parse_nodes, parse_partitions, read_parents
from litemono.utils.errors import UserError

NODES = """\
cpu001|compute|48|185000|(null)|(null)|idle
gpu001|gpu-v100|48|368000|gpu:v100s:4(S:0-1)|v100,avx512|mixed
gpu002|gpu-v100|48|368000|gpu:v100s:4(S:0-1)|v100,avx512|down*
gpu003|gpu-a100|64|1000000|gpu:a100:4,nvme:1|a100|allocated
dbg001|debug|16+|64000+|gpu:2|(null)|drained
"""
PARTITIONS = """\
PartitionName=compute AllowAccounts=ALL AllowQos=ALL Default=YES MaxNodes=UNLIMITED MaxTime=5-00:00:00 Nodes=cpu001 State=UP
PartitionName=gpu-v100 AllowAccounts=research,education-me Default=NO MaxNodes=2 MaxTime=1-00:00:00 AllowQos=normal State=UP
PartitionName=gpu-a100 AllowAccounts=ALL DenyAccounts=innovation AllowQos=ALL Default=NO MaxNodes=1 MaxTime=UNLIMITED State=UP
PartitionName=debug AllowAccounts=ALL AllowQos=ALL Default=NO MaxNodes=1 MaxTime=00:30:00 State=DOWN
"""
GOOD = Request("gpu-v100", nodes=1, gpus=1, cpus=2, memory=16000, minutes=1440, account="research")


@pytest.fixture
def cluster() -> Cluster:
    partitions = parse_partitions(PARTITIONS, parse_nodes(NODES))
    return Cluster(partitions, ("education-me", "innovation", "research"), "innovation", accounts_enforced=True)


def test_a_possible_request_finds_its_partition(cluster):
    assert check_request(cluster, GOOD).name == "gpu-v100"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"partition": "gpu"}, ["--partition gpu", "gpu-v100 (2 nodes with 4 v100s", "gpu-a100"]),
        ({"partition": None}, ["default partition compute has no GPUs", "gpu-v100"]),
        ({"partition": "compute"}, ["compute has no GPUs", "--gpus_per_node 0 --device cpu"]),
        ({"partition": "debug"}, ["debug is closed"]),
        ({"minutes": 1441}, ["--time 1-00:01:00", "allows 1-00:00:00", "is requeued and resumes"]),
        ({"nodes": 3}, ["--nodes 3", "2 at most"]),
        ({"gpus": 5}, ["--gpus_per_node: 5", "(4)", "ask for less"]),
        ({"cpus": 49}, ["49 CPUs", "(48)", "partitions that have: gpu-a100"]),
        ({"memory": 500000}, ["500000 MB", "(368000)", "gpu-a100"]),
        ({"constraint": "a100"}, ["--constraint a100", "avx512, v100"]),
        ({"nodes": 2}, ["until its nodes are back", "gpu002 down*"]),
        ({"account": None}, ["without --account (yours is innovation)", "education-me, research"]),
        ({"account": "physics"}, ["--account physics: you have no such account", "education-me, innovation, research"]),
        ({"partition": "gpu-a100", "account": "innovation"}, ["--account innovation", "all but innovation"]),
        ({"qos": "urgent"}, ["--qos urgent", "normal"]),
    ],
)
def test_a_request_that_could_never_start_is_refused_with_the_way_out(cluster, change, words):
    with pytest.raises(UserError) as caught:
        check_request(cluster, replace(GOOD, **change))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_the_first_of_several_partitions_that_can_run_it_is_found(cluster):
    request = replace(GOOD, partition="gpu-v100,gpu-a100")
    assert check_request(cluster, request).name == "gpu-v100"
    assert check_request(cluster, replace(request, memory=500000, account="research")).name == "gpu-a100"
    with pytest.raises(UserError, match="--partition gpu-v200: there is no such partition"):
        check_request(cluster, replace(request, partition="gpu-v100,gpu-v200"))
    with pytest.raises(UserError, match="--gpus_per_node: 9"):
        check_request(cluster, replace(request, gpus=9))


def test_without_accounting_slurm_decides_about_accounts(cluster):
    unknown = replace(cluster, accounts=None, default_account=None)
    assert check_request(unknown, replace(GOOD, account=None)).name == "gpu-v100"


@pytest.mark.parametrize("constraint", ["v100|a100", "v100&!a100", "[v100*1&avx512*1]", "v100&avx512"])
def test_constraints_that_only_slurm_can_judge_are_left_to_it(cluster, constraint):
    assert check_request(cluster, replace(GOOD, constraint=constraint)).name == "gpu-v100"


def test_only_nodes_that_the_constraint_allows_are_counted(cluster):
    both = cluster.partitions["gpu-v100"].nodes + cluster.partitions["gpu-a100"].nodes
    mixed = replace(cluster.partitions["gpu-v100"], nodes=both)
    request = replace(GOOD, constraint="a100", memory=900000)
    assert [node.name for node in nodes_for(mixed, request)] == ["gpu003"]
    reduced = replace(cluster, partitions={"gpu-v100": mixed})
    assert check_request(reduced, request).name == "gpu-v100"
    with pytest.raises(UserError, match="--mem: 900000 MB"):
        check_request(reduced, replace(request, constraint="v100"))
    with pytest.raises(UserError, match="has all of these at once"):
        check_request(reduced, replace(request, constraint="a100&avx512"))


def test_a_partition_for_an_account_takes_those_below_it(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "sacctmgr").write_text("#!/bin/sh\nprintf 'root||\nresearch||root\nlab||research\nlab|me|\n'\n")
    (tmp_path / "sacctmgr").chmod(0o755)
    parents = read_parents()
    assert parents == {"research": "root", "lab": "research"}
    reduced = replace(cluster, accounts=("lab",), parents=parents)
    assert check_request(reduced, replace(GOOD, account="lab")).name == "gpu-v100"
    with pytest.raises(UserError, match="runs jobs of these accounts only"):
        check_request(replace(reduced, parents={}), replace(GOOD, account="lab"))


def test_an_account_is_required_only_where_the_cluster_enforces_it(cluster):
    request = replace(GOOD, partition="gpu-a100", account=None)
    no_default = replace(cluster, default_account=None)
    with pytest.raises(UserError, match="so give --account; yours: education-me"):
        check_request(no_default, request)
    assert check_request(replace(no_default, accounts_enforced=False), request).name == "gpu-a100"
