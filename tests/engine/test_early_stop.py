"""Successive halving: who continues at a rung, what a resume finds, and a run that resumes to the bits of an undisturbed one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from trainings import assert_same_training, settings

from litemono.engine import early_stop
from litemono.engine.settings import RunConfig
from litemono.jobs.runs import read_runs
from litemono.status import unwell
from litemono.train import train
from litemono.utils.errors import UserError


def decide(
    folder: Path, value: float | None, rung: int = 1, *, higher: bool = False, factor: int = 3, metric="abs_rel"
):
    folder.mkdir(parents=True, exist_ok=True)
    return early_stop.decide(folder, metric, higher, rung, value, factor)


def test_rungs_are_powers_of_the_factor_times_the_first():
    run = RunConfig(first_rung=2, reduction_factor=3)
    assert [epochs for epochs in range(60) if early_stop.is_rung(run, epochs)] == [2, 6, 18, 54]


@pytest.mark.parametrize("higher", [False, True])
def test_of_nine_runs_one_after_the_other_the_best_third_of_those_so_far_continues(tmp_path, higher):
    """The first two continue unseen; each later one must be among the best n // 3 of the n that have been there."""
    values = [0.30, 0.20, 0.25, 0.10, 0.40, 0.15, 0.50, 0.18, 0.05]
    signed = [1 - value if higher else value for value in values]
    found = [decide(tmp_path / str(n), value, higher=higher) for n, value in enumerate(signed)]
    assert [v.stopped for v in found] == [False, False, True, False, True, False, True, True, False]
    assert [(v.better, v.runs) for v in found] == [
        (0, 1), (0, 2), (1, 3), (0, 4), (4, 5), (1, 6), (6, 7), (2, 8), (0, 9)
    ]  # fmt: skip


def test_rungs_and_metrics_are_apart(tmp_path):
    for n in range(3):
        decide(tmp_path / str(n), 0.1)
    assert decide(tmp_path / "3", 0.9, rung=3).runs == 1
    assert decide(tmp_path / "4", 0.9, metric="loss").runs == 1


def test_a_verdict_stays_when_a_killed_run_asks_again(tmp_path):
    for n in range(3):
        decide(tmp_path / str(n), 0.1 + n)
    first = decide(tmp_path / "late", 5.0)
    assert first.stopped
    for n in range(9):
        decide(tmp_path / f"worse{n}", 9.0)
    assert decide(tmp_path / "late", 5.0) == first


def test_a_run_killed_between_its_result_and_its_verdict_is_judged_after_the_restart(tmp_path):
    early_stop.write_rungs(decided_folder(tmp_path / "a"), "abs_rel", {1: {"value": 0.5}})
    assert decide(tmp_path / "a", 0.5).runs == 1


def decided_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_run_without_a_finite_result_ranks_last(tmp_path, value):
    decide(tmp_path / "a", 0.1), decide(tmp_path / "b", 0.2)
    assert decide(tmp_path / "c", value).stopped
    assert not decide(tmp_path / "d", 0.05).stopped


def test_runs_of_which_none_has_a_result_all_continue(tmp_path):
    assert not any(decide(tmp_path / str(n), None).stopped for n in range(6))


@pytest.mark.parametrize("content", ["{", "[]", '{"metric": "abs_rel", "rungs": {"1": {"value": "x"}, "y": {}}}'])
def test_damaged_files_of_other_runs_are_left_out(tmp_path, content):
    decided_folder(tmp_path / "damaged").joinpath(early_stop.FILE).write_text(content)
    assert decide(tmp_path / "a", 0.1).runs == 1


@pytest.mark.usefixtures("one_thread")
def test_a_stopped_run_says_so_is_final_and_resumes_without_the_flag_to_the_same_bits(
    street, tmp_path, uninterrupted, capsys
):
    for n in range(2):
        decide(tmp_path / f"sweep/better{n}", 0.0, metric="loss")
    config = settings(street, tmp_path / "sweep", "run")
    stopping = replace(config, run=replace(config.run, stop_early="loss"))
    for _ in range(2):  # a resubmission keeps the verdict
        capsys.readouterr()
        assert train(stopping) == 0
        assert "stopped early after 1 of 2 epochs: loss" in capsys.readouterr().out
    status = json.loads((config.folder / "status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("stopped early", True, 0)
    (run,) = [run for run in read_runs(tmp_path / "sweep") if run.name == "run"]
    assert run.state == "stopped early" and "2 of 3 runs at this rung are better" in run.message and not unwell(run)
    assert train(config) == 0
    assert_same_training(uninterrupted, config.folder)


def test_a_result_that_the_task_does_not_have_is_refused_before_anything_is_written(street, tmp_path):
    config = settings(street, tmp_path, "run")
    with pytest.raises(UserError, match="--stop_early iou: .* choose from loss, de/abs_rel"):
        train(replace(config, run=replace(config.run, stop_early="iou")))
    assert not config.folder.exists()
