"""--mem where it is not given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from litemono.jobs import memory
from litemono.jobs.admission import check_request
from litemono.jobs.batch_script import SlurmConfig
from litemono.jobs.cluster import Cluster, parse_nodes, parse_partitions
from litemono.utils.errors import UserError

NODES = """\
small1|small|8|16000|gpu:1|(null)|idle
small2|small|8|12000|gpu:1|(null)|idle
large1|large|48|368000|gpu:v100:4|(null)|idle
tight1|tight|48|96000|gpu:v100:4|(null)|idle
cpu1|cpus|16|8000|(null)|(null)|idle
"""
PARTITIONS = "\n".join(
    f"PartitionName={name} AllowAccounts=ALL AllowQos=ALL Default=NO MaxNodes=UNLIMITED MaxTime=UNLIMITED State=UP"
    for name in ("small", "large", "tight", "cpus")
)
ZHOU = 16_400_000_000  # bytes


@pytest.fixture
def cluster() -> Cluster:
    partitions = parse_partitions(PARTITIONS, parse_nodes(NODES))
    return Cluster(partitions, None, None, accounts_enforced=False, cache_counts=True)


def asked(cluster: Cluster | None, packed_bytes: int = ZHOU, **flags) -> tuple[int, str]:
    request = memory.choose(SlurmConfig(**flags), cluster, packed_bytes)
    if cluster is not None:
        check_request(cluster, request)
    return request.memory, request.memory_reason


def test_a_pack_larger_than_the_usual_memory_leaves_raises_it_where_the_page_cache_counts(cluster):
    assert asked(cluster, partition="large") == (
        8192 + ZHOU // 2**20,
        "8192 MB per GPU and room for the pack's 15640 MB in the page cache",
    )
    assert asked(cluster, partition="large", gpus_per_node=4)[0] == 4 * 16384, "has room already"
    assert asked(replace(cluster, cache_counts=False), partition="large") == (16384, "16384 MB per GPU")
    assert asked(None) == (16384, "16384 MB per GPU")


def test_the_rest_of_a_node_is_left_to_its_other_gpus(cluster):
    assert asked(cluster, 3 * ZHOU, partition="tight")[0] == 96000 // 4


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"partition": "small"}, 16000),
        ({"partition": "small", "nodes": 2}, 12000),
        ({"partition": "small", "sbatch": "exclude=small1"}, 12000),
        ({"partition": "large,small"}, 16000),
        ({"partition": "cpus", "gpus_per_node": 0}, 8000),
    ],
)
def test_small_nodes_are_asked_for_what_they_have(cluster, monkeypatch, flags, expected):
    monkeypatch.setattr("litemono.jobs.slurm.hostnames", lambda text: text.split(","))
    found, reason = asked(cluster, **flags)
    assert found == expected and reason == "all that the nodes have; 16384 MB is usual"


def test_what_is_given_is_taken_or_refused(cluster):
    assert asked(cluster, partition="large", mem="20G") == (20480, "--mem")
    with pytest.raises(UserError, match="--mem: 16384 MB is more than any node of partition small has"):
        asked(cluster, partition="small", mem="16G")
