"""status --cost: sums over runs, sweeps and months, with accounting and without."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from litemono.jobs import accounting
from litemono.jobs.accounting import Allocation, NoAccounting
from litemono.status import StatusConfig, status
from litemono.utils.errors import UserError

NOVEMBER = time.mktime((2026, 11, 28, 9, 0, 0, 0, 0, -1))
DECEMBER = time.mktime((2026, 12, 1, 9, 0, 0, 0, 0, -1))


def write_run(folder: Path, *attempts: dict) -> None:
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps({"state": "finished", "updated": NOVEMBER + 9000}))
    base = {"processes": [{"node": "a", "device": "V100"}] * 2, "job_id": "7", "ended": None}
    lines = (json.dumps(base | {"started": NOVEMBER} | attempt) + "\n" for attempt in attempts)
    (folder / "attempts.jsonl").write_text("".join(lines))


def allocation(job: str, begin: float, seconds: float, **more) -> Allocation:
    values = {
        "submitted": begin - 1000, "started": begin, "ended": begin + seconds, "elapsed": seconds, "gpus": 2,
        "cpu_seconds": 4 * seconds, "cpu_used": seconds, "memory": 1000.0, "memory_used": 500.0, "joules": 3.6e6,
    }  # fmt: skip
    return Allocation(job_ids=(job, job), **(values | more))


@pytest.fixture
def accounts(monkeypatch):
    """What sacct has, for the jobs that are asked for."""
    asked = []

    def install(*found: Allocation):
        def answer(ids):
            asked.append(ids)
            return [part for part in found if {*part.job_ids} & {*ids}]

        monkeypatch.setattr(accounting, "allocations", answer)
        return asked

    return install


@pytest.fixture
def no_accounts(monkeypatch):
    def fail(ids):
        raise NoAccounting("there is no sacct on this machine")

    monkeypatch.setattr(accounting, "allocations", fail)


def costs(folder: Path, capsys) -> dict:
    capsys.readouterr()
    assert status(StatusConfig(folder, cost=True, json=True)) == 0
    return json.loads(capsys.readouterr().out)


def test_runs_sweeps_and_months_are_summed_from_one_question(tmp_path, accounts, capsys):
    write_run(tmp_path / "alone", {"job_id": "7"})
    write_run(tmp_path / "sweep/a", {"job_id": "8"})
    write_run(tmp_path / "sweep/b", {"job_id": "9", "started": DECEMBER})
    asked = accounts(
        allocation("7", NOVEMBER, 3000), allocation("8", NOVEMBER, 3600), allocation("8", NOVEMBER + 9000, 3600),
        allocation("9", DECEMBER, 1800),
    )  # fmt: skip
    found = costs(tmp_path, capsys)
    assert asked == [["7", "8", "9"]]
    alone, a, b = found["runs"]
    assert (alone["jobs"], alone["starts"], a["starts"]) == (1, 1, 2)
    assert alone["gpu_hours"] == pytest.approx(2 * 3000 / 3600) and alone["queue_share"] == pytest.approx(0.25)
    assert alone["cpu_efficiency"] == 0.25 and alone["memory_efficiency"] == 0.5 and alone["kwh"] == 1
    (sweep,) = found["sweeps"]
    assert sweep["name"] == "sweep" and sweep["gpu_hours"] == pytest.approx(a["gpu_hours"] + b["gpu_hours"]) == 5
    assert [(month["name"], month["gpu_hours"]) for month in found["months"]] == [
        ("2026-11", pytest.approx(4 + 2 * 3000 / 3600)), ("2026-12", 1)
    ]  # fmt: skip
    assert found["total"][0]["gpu_hours"] == pytest.approx(5 + 2 * 3000 / 3600)


def test_steps_that_were_computed_again_are_lost(tmp_path, accounts, capsys):
    """100 steps in 1000 s, killed; the next start begins at step 70."""
    write_run(
        tmp_path / "a",
        {"from_step": 0, "step": 100, "ended": NOVEMBER + 1000},
        {"from_step": 70, "step": 170, "started": NOVEMBER + 2000, "ended": NOVEMBER + 3000},
    )
    accounts(allocation("7", NOVEMBER, 3000))
    (run,) = costs(tmp_path, capsys)["runs"]
    assert run["lost_share"] == pytest.approx(300 / 2000)


def test_a_task_of_an_array_counts_once_and_not_its_sisters(tmp_path, accounts, capsys):
    """Its own number is that of the array: sacct answers with all tasks."""
    write_run(tmp_path / "a", {"job_id": "230"})
    (tmp_path / "a/job.json").write_text(json.dumps({"job_id": "230_1", "submitted": NOVEMBER}))
    own, sister = allocation("230_1", NOVEMBER, 3600), allocation("230_0", NOVEMBER, 3600)
    own.job_ids, sister.job_ids = ("230_1", "230"), ("230_0", "229")
    accounts(own, sister)
    (run,) = costs(tmp_path, capsys)["runs"]
    assert (run["jobs"], run["starts"], run["gpu_hours"]) == (1, 1, 2)


def test_without_accounting_the_attempts_tell_gpu_hours_and_what_is_missing_is_said(tmp_path, no_accounts, capsys):
    write_run(
        tmp_path / "a", {"ended": NOVEMBER + 3600}, {"started": NOVEMBER + 7200}
    )  # the second up to the heartbeat
    (tmp_path / "old").mkdir()
    (tmp_path / "old/status.json").write_text(json.dumps({"state": "finished"}))
    found = costs(tmp_path, capsys)
    assert found["runs"][0]["gpu_hours"] == pytest.approx(2 * (3600 + 1800) / 3600)
    assert found["runs"][0]["queue_share"] is None and found["runs"][0]["kwh"] is None
    assert "No accounting (there is no sacct on this machine)" in found["missing"][0]
    assert found["missing"][1].endswith("unknown: old.")
    status(StatusConfig(tmp_path, cost=True))
    shown = capsys.readouterr().out
    assert "GPU h" in shown and "kWh" not in shown and "No accounting" in shown


def test_use_that_slurm_does_not_gather_is_no_zero(tmp_path, accounts, capsys):
    write_run(tmp_path / "a", {})
    accounts(allocation("7", NOVEMBER, 3600, cpu_used=0.0, memory_used=0.0, joules=0.0))
    found = costs(tmp_path, capsys)
    (run,) = found["runs"]
    assert run["cpu_efficiency"] is run["memory_efficiency"] is run["kwh"] is None
    assert [line.split(":")[0] for line in found["missing"]] == ["Energy", "CPU use"]


@pytest.mark.parametrize("line", ["{", "[]", '{"started": "x", "step": -1, "processes": 5}', '{"ended": 1e300}'])
def test_damaged_attempts_are_left_out(tmp_path, no_accounts, capsys, line):
    write_run(tmp_path / "a", {"ended": NOVEMBER + 3600})
    with (tmp_path / "a/attempts.jsonl").open("a") as file:
        file.write(line + "\n")
    assert costs(tmp_path, capsys)["total"][0]["gpu_hours"] == pytest.approx(2)


def test_costs_are_neither_watched_nor_checked(tmp_path):
    with pytest.raises(UserError, match="--cost: not together"):
        status(StatusConfig(tmp_path, cost=True, watch=True))
    with pytest.raises(UserError, match="there is no run"):
        status(StatusConfig(tmp_path, cost=True))
