"""Quotas that an account shares with those above it, and a QOS with all its jobs, before the queue."""

from __future__ import annotations

import getpass
from dataclasses import replace

import pytest
from jobs.test_admission import GOOD, NODES, PARTITIONS

from litemono.jobs.admission import check_request, check_submission
from litemono.jobs.cluster import Cluster, parse_nodes, parse_partitions
from litemono.jobs.group_limits import GroupLimits, parse_groups, read_groups, usage_is_kept
from litemono.jobs.limits import QOS_COLUMNS, UserLimits, parse_qos
from litemono.utils.errors import UserError

# As Slurm 23.11 printed them, less the columns that are not read.
ASSOCIATIONS = """\
Current Association Manager state
Association Records
ClusterName=c Account=physics UserName= Partition= Priority=0 ID=3 ParentAccount=root(1) GrpJobs=N(0) GrpJobsAccrue=N(0) \
GrpSubmitJobs=3(2) GrpWall=60(0.00) GrpTRES=cpu=N(0),mem=N(0),node=N(0),gres/gpu=1(0),gres/gpu:v100=N(0) \
GrpTRESMins=cpu=100(0),mem=N(0),gres/gpu=N(0) GrpTRESRunMins=cpu=N(0),gres/gpu=N(0) MaxJobs= MaxTRESPJ= MinPrioThresh=
ClusterName=c Account=research UserName= Partition= ParentAccount=physics(3) GrpJobs=N(0) GrpSubmitJobs=N(0) GrpWall=N(0.00)
"""
QUOTAS = {"GrpTRES": "gres/gpu=N(0)", "GrpTRESMins": "cpu=N(0)", "GrpWall": "N(0)", "GrpJobs": "N(0)"}


def record(name: str, user: str = "", **quotas: str) -> str:
    values = " ".join(f"{kind}={value}" for kind, value in {**QUOTAS, **quotas}.items())
    head = f"QOS={name}(2)" if user == "qos" else f"Account={name} UserName={user} Partition="
    return f"{head} {values}"


def cluster(*records: str, whole_jobs: bool = False, kept: bool = False) -> Cluster:
    """research is below physics. QOS: normal and short."""
    groups = list(parse_groups("\n".join(records)))
    qos = {group.name: group for group in groups if group.name in ("normal", "short")}
    mine = tuple(group for group in groups if group.name not in qos)
    limits = UserLimits(True, True, parse_qos("\n".join(name + "|" * QOS_COLUMNS.count(",") for name in qos)))
    text = PARTITIONS.replace("AllowQos=normal", "AllowQos=ALL")
    return Cluster(
        parse_partitions(text, parse_nodes(NODES)),
        ("research",),
        "research",
        True,
        parents={"research": "physics", "physics": "root"},
        limits=limits,
        groups=GroupLimits(qos, mine, whole_jobs, kept),
    )


REQUEST = replace(GOOD, gpus=2, cpus=2, minutes=60)  # 120 GPU minutes and 120 CPU minutes


def test_slurms_own_words_are_read():
    physics, research = parse_groups(ASSOCIATIONS)
    assert (physics.name, physics.user, research.name, research.quotas) == ("physics", "", "research", {})
    assert physics.quotas == {
        ("GrpSubmitJobs", ""): (3, 2),
        ("GrpWall", ""): (60, 0),
        ("GrpTRES", "gres/gpu"): (1, 0),
        ("GrpTRESMins", "cpu"): (100, 0),
    }


@pytest.mark.parametrize(
    ("quotas", "words"),
    [
        ({"GrpTRES": "cpu=N(4),gres/gpu=1(0)"}, ["--gpus_per_node", "1 GPUs (GrpTRES)", "asks for 2"]),
        ({"GrpTRESRunMins": "gres/gpu=119(0)"}, ["--time", "119 minutes of GPUs", "needs 120", "shorter --time"]),
        ({"GrpJobs": "0(0)"}, ["runs no jobs at present (GrpJobs=0)", "another --qos or --account"]),
    ],
)
@pytest.mark.parametrize("place", ["research", "physics", "short", "own"])
def test_a_job_beyond_a_shared_quota_is_refused_and_its_holder_named(quotas, words, place):
    name = "research" if place == "own" else place
    user = {"short": "qos", "own": getpass.getuser()}.get(place, "")
    holder = {"short": "--qos short", "physics": "account physics, above research,"}.get(place, "account research")
    check_request(cluster(record(name, user)), replace(REQUEST, qos="short"))
    check_request(cluster(record("other", user, **quotas)), replace(REQUEST, qos="short"))
    with pytest.raises(UserError) as caught:
        check_request(cluster(record(name, user, **quotas)), replace(REQUEST, qos="short"))
    assert all(word in str(caught.value) for word in [holder, *words]), str(caught.value)


def test_quotas_of_other_users_do_not_count():
    check_request(cluster(record("research", "someone-else(7)", GrpTRES="gres/gpu=1(0)")), REQUEST)


def test_what_a_qos_limits_accounts_do_not_but_all_accounts_above_do():
    """As Slurm's acct_policy.c: the first QOS with a value stands for it; without one every account's holds."""
    wide, narrow = {"GrpTRES": "gres/gpu=8(0)"}, {"GrpTRES": "gres/gpu=1(0)"}
    request = replace(REQUEST, qos="short")
    check_request(cluster(record("short", "qos", **wide), record("physics", **narrow)), request)
    with pytest.raises(UserError, match="account physics, above research,"):
        check_request(cluster(record("research", **wide), record("physics", **narrow)), request)


@pytest.mark.parametrize(("kind", "most", "used"), [("GrpTRESMins", "cpu=200({})", 90), ("GrpWall", "100({})", 50)])
def test_a_budget_of_minutes_refuses_a_job_only_where_it_could_wait_without_end(kind, most, used):
    fresh, half, gone = (record("physics", **{kind: most.format(u)}) for u in (0, used, 1000))
    check_request(cluster(fresh, whole_jobs=True, kept=True), REQUEST)
    check_request(cluster(half, kept=True), REQUEST)  # it may start, and end early
    check_request(cluster(gone, whole_jobs=True), REQUEST)  # used minutes decay
    with pytest.raises(UserError, match=f"{kind}.*are left; this job may take {'60' if kind == 'GrpWall' else '120'};"):
        check_request(cluster(half, whole_jobs=True, kept=True), REQUEST)
    with pytest.raises(UserError, match="and 0 are left"):
        check_request(cluster(gone, kept=True), REQUEST)
    with pytest.raises(UserError, match="--time: account physics.*gives all its jobs together.*this job may take"):
        check_request(cluster(fresh, whole_jobs=True), replace(REQUEST, minutes=120))


def test_jobs_beyond_what_an_account_above_may_submit_are_refused():
    unlimited = cluster(
        *ASSOCIATIONS.replace("gres/gpu=1", "gres/gpu=N").replace("GrpWall=60", "GrpWall=N").splitlines()
    )
    partition = check_request(unlimited, REQUEST)
    check_submission(unlimited, partition, REQUEST, tasks=1)
    with pytest.raises(
        UserError, match="account physics, above research, allows 3 jobs.*2 are in the queue.*would add 2"
    ):
        check_submission(unlimited, partition, REQUEST, tasks=2)


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ("PriorityType            = priority/basic\n", True),
        ("PriorityDecayHalfLife   = 7-00:00:00\nPriorityUsageResetPeriod = NONE\n", False),
        ("PriorityDecayHalfLife   = 00:00:00\nPriorityUsageResetPeriod = MONTHLY\n", False),
        ("PriorityDecayHalfLife   = 00:00:00\nPriorityUsageResetPeriod = NONE\n", True),
    ],
)
def test_whether_used_minutes_come_back_is_read_from_the_configuration(config, kept):
    assert usage_is_kept(config) is kept


def test_nothing_is_asked_where_limits_are_not_enforced_or_there_is_no_account(monkeypatch):
    def asked(*command: str) -> str:
        raise AssertionError(command)

    monkeypatch.setattr("litemono.jobs.slurm.call", asked)
    assert read_groups(["physics"], {"associations"}, False) == read_groups([], {"safe"}, False) == GroupLimits({})
