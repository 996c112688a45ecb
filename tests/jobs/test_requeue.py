"""The end of a batch script: which jobs are requeued, and which end."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import processes
import pytest
from conftest import ROOT

from litemono import job
from litemono.engine import node_health
from litemono.jobs import bad_nodes, requeue, slurm


@pytest.fixture
def in_job(monkeypatch, tmp_path):
    """Slurm's record of this job, and the jobs that are requeued."""
    state, requeued = {"JobState": "RUNNING", "Reason": "None"}, []
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setattr(slurm, "job_now", lambda job_id: state)
    monkeypatch.setattr(slurm, "requeue", requeued.append)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return state, requeued


def checkpoint_at(folder: Path, step: int) -> None:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / f"checkpoints/step_{step:08d}.pt").touch()


@pytest.mark.parametrize("status", [0, 2, 3])
def test_finished_runs_and_those_the_user_must_mend_are_not_requeued(in_job, tmp_path, status):
    assert requeue.end_or_requeue(status, tmp_path) == status
    assert in_job[1] == []


def report(folder: Path, **fields) -> None:
    (folder / "status.json").write_text(json.dumps({"job_id": "12", **fields}))


@pytest.mark.parametrize(("state", "exit_status"), [("finished", 0), ("failed", 2), ("failed", 3)])
def test_a_final_report_ends_the_job_whichever_process_srun_reports(in_job, tmp_path, state, exit_status):
    """Rank 0 says what is wrong; the others may be killed while they wait for it, and srun reports them."""
    report(tmp_path, state=state, final=True, exit=exit_status)
    assert requeue.end_or_requeue(137, tmp_path) == exit_status
    assert in_job[1] == []


def test_the_report_of_an_earlier_job_does_not_end_this_one(in_job, tmp_path):
    report(tmp_path, state="finished", final=True, exit=0, job_id="11")  # with fewer epochs
    assert requeue.end_or_requeue(137, tmp_path) == 137
    assert in_job[1] == ["12"]


def test_the_text_of_the_message_decides_nothing(in_job, tmp_path):
    report(tmp_path, state="failed", final=False, exit=1, message="UserError: stale file handle")
    assert requeue.end_or_requeue(137, tmp_path) == 137
    assert in_job[1] == ["12"]


@pytest.mark.parametrize("status", [1, 128 + signal.SIGUSR2, 128 + signal.SIGTERM, 128 + signal.SIGKILL, 255])
def test_interrupted_and_crashed_runs_are_requeued(in_job, tmp_path, status):
    assert requeue.end_or_requeue(status, tmp_path) == status
    assert in_job[1] == ["12"]


def test_a_job_at_its_time_limit_is_requeued_although_slurm_is_ending_it(in_job, tmp_path):
    in_job[0].update(JobState="COMPLETING", Reason="TimeLimit")
    requeue.end_or_requeue(143, tmp_path)
    assert in_job[1] == ["12"]


def test_cancelled_and_preempted_jobs_are_left_to_slurm(in_job, tmp_path):
    in_job[0].update(JobState="COMPLETING")
    assert requeue.end_or_requeue(143, tmp_path) == 143
    assert in_job[1] == []


def test_three_tries_that_end_at_the_same_step_are_enough(in_job, tmp_path, capsys):
    checkpoint_at(tmp_path, 40)
    for _ in range(3):
        requeue.end_or_requeue(137, tmp_path)
    assert in_job[1] == ["12", "12"]
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert "stopped: 3 tries in a row ended at step 40 (killed" in last and "it resumes from step 40" in last


def test_tries_that_get_further_do_not_count(in_job, tmp_path):
    for step in range(5):
        checkpoint_at(tmp_path, step)
        requeue.end_or_requeue(137, tmp_path)
    assert len(in_job[1]) == 5


def test_being_preempted_is_no_failure(in_job, tmp_path):
    for _ in range(5):
        requeue.end_or_requeue(128 + signal.SIGTERM, tmp_path)
    assert len(in_job[1]) == 5


@pytest.mark.parametrize("status", [128 + signal.SIGUSR2, 128 + signal.SIGTERM, 1])
def test_a_preemption_with_a_grace_period_is_no_failure_whatever_the_signal(in_job, tmp_path, status):
    """Before its first checkpoint too: Python may not yet have set its handlers."""
    in_job[0]["PreemptTime"] = "2026-01-01T00:00:00"
    for _ in range(5):
        requeue.end_or_requeue(status, tmp_path)
    assert len(in_job[1]) == 5


@pytest.fixture
def not_started(in_job, monkeypatch, tmp_path):
    """srun ended before a training process began; the jobs and the nodes that they are to avoid."""
    monkeypatch.setenv("LITEMONO_STARTED_FILE", str(tmp_path / "started"))
    in_job[0].update(NodeList="gpu001", Partition="gpu", NumNodes="1", ReqNodeList="(null)")
    excluded = []
    monkeypatch.setattr(
        slurm, "hostnames", lambda text: [name for name in text.split(",") if name not in ("", "(null)")]
    )
    monkeypatch.setattr(slurm, "nodes_like", lambda node, partition: ["gpu002"])
    monkeypatch.setattr(slurm, "exclude", lambda job, nodes: excluded.append((job, sorted(nodes))))
    return excluded


def test_a_program_that_srun_could_not_start_is_tried_on_another_node(in_job, not_started, tmp_path, capsys):
    """srun's exit status is 2 too where the node lacks the file system."""
    assert requeue.end_or_requeue(2, tmp_path) == 2
    assert in_job[1] == ["12"] and not_started == [("12", ["gpu001"])]
    assert "srun could not start the training" in capsys.readouterr().out


def test_the_only_node_of_its_kind_is_not_excluded(in_job, not_started, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "nodes_like", lambda node, partition: [])
    requeue.end_or_requeue(2, tmp_path)
    assert in_job[1] == ["12"] and not_started == []


def test_a_node_with_two_failures_without_progress_is_avoided_beside_those_the_user_excluded(
    in_job, not_started, tmp_path, capsys
):
    (tmp_path / "started").touch()
    in_job[0]["ExcNodeList"] = "gpu009"
    checkpoint_at(tmp_path, 40)
    requeue.end_or_requeue(137, tmp_path)
    assert not_started == [], "one failure may be anything"
    requeue.end_or_requeue(137, tmp_path)
    assert not_started == [("12", ["gpu001", "gpu009"])]
    assert "avoids gpu001 from now on (gpu001: 2 failures without progress)" in capsys.readouterr().out


def test_failures_with_progress_between_them_or_on_two_nodes_blame_no_node(in_job, not_started, tmp_path):
    (tmp_path / "started").touch()
    for step, node in ((1, "gpu001"), (2, "gpu001"), (2, "gpu002"), (3, "gpu001")):
        checkpoint_at(tmp_path, step)
        in_job[0]["NodeList"] = node
        requeue.end_or_requeue(1, tmp_path)
    assert not_started == []


def test_a_node_that_the_training_found_broken_is_avoided_at_once_and_not_after_it_was_forgiven(
    in_job, not_started, tmp_path, monkeypatch
):
    (tmp_path / "started").touch()
    monkeypatch.setattr(slurm, "available", lambda: False)
    node_health.report(tmp_path, "12", "gpu001", "Tesla V100 has 3 memory errors")
    node_health.report(tmp_path, "11", "gpu002", "of another job")
    requeue.end_or_requeue(5, tmp_path)
    assert not_started == [("12", ["gpu001"])]
    in_job[0]["ExcNodeList"] = "gpu001"
    assert bad_nodes.forget(tmp_path, "12") == ["gpu001"]
    checkpoint_at(tmp_path, 1)
    requeue.end_or_requeue(137, tmp_path)
    assert not_started[1:] == [("12", [])]


def test_wrong_flags_end_the_job_because_the_training_started(in_job, not_started, tmp_path):
    (tmp_path / "started").touch()
    assert requeue.end_or_requeue(2, tmp_path) == 2
    assert in_job[1] == []


def test_the_trainings_own_message_is_in_the_log(in_job, tmp_path, capsys):
    report(tmp_path, state="failed", final=False, exit=1, message="RuntimeError: lost the connection")
    requeue.end_or_requeue(137, tmp_path)
    assert "failed: RuntimeError: lost the connection; requeued" in capsys.readouterr().out


def test_a_new_job_may_try_three_times_again(in_job, tmp_path, monkeypatch):
    for _ in range(3):
        requeue.end_or_requeue(1, tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    requeue.end_or_requeue(1, tmp_path)
    assert in_job[1] == ["12", "12", "13"]


def test_a_task_of_an_array_puts_only_itself_back(in_job, tmp_path, monkeypatch):
    """One of the tasks has the array's own number, and by that number scontrol means all of them."""
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    requeue.end_or_requeue(137, tmp_path)
    assert in_job[1] == ["12_3"]


def test_a_controller_that_does_not_answer_is_asked_again(in_job, tmp_path, monkeypatch, capsys):
    answers = iter([slurm.ControllerUnavailable("Socket timed out"), in_job[0]])

    def job_now(job_id):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(slurm, "job_now", job_now)
    requeue.end_or_requeue(137, tmp_path)
    assert in_job[1] == ["12"] and "Socket timed out; retrying" in capsys.readouterr().out
    answers = iter([slurm.ControllerUnavailable("Socket timed out")] * 1000)
    times = iter(range(0, 10**6, 60))
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    with pytest.raises(slurm.ControllerUnavailable):
        requeue.end_or_requeue(137, tmp_path)


def test_tries_are_counted_without_a_run_folder(in_job, tmp_path):
    """The training was killed before it could make one."""
    for _ in range(3):
        requeue.end_or_requeue(137, tmp_path / "logs/.job-12")
    assert in_job[1] == ["12", "12"]


def test_the_command_takes_a_status_and_a_run_folder(tmp_path):
    command = [sys.executable, "-m", "litemono.jobs.requeue"]
    done = processes.run([*command, "3", tmp_path], cwd=ROOT)
    assert done.returncode == 3 and not done.stdout
    assert "RUN_FOLDER" in processes.run([*command, "1"], cwd=ROOT).stderr.upper()


# ---------------------------------------------------------------- jobs that version 0.1 queued


@pytest.mark.parametrize(
    ("flags", "folder"),
    [
        (["--model_name", "first", "--data_path", "kitti", "--log_dir", "out"], "out/first"),
        (["--model_name", "job", "--lr", "1e-4", "--model_name=mine"], "runs/mine"),
        (["--model", "lite-mono-tiny", "--png"], "runs/lite-mono-tiny"),
        ([], "runs/lite-mono"),
    ],
)
def test_the_old_command_finds_the_run_folder_in_the_training_flags(flags, folder):
    assert job.run_folder(flags) == Path(folder)


# ---------------------------------------------------------------- the shell function of the templates


@pytest.fixture
def end_of_script(tmp_path):
    """Runs requeue.sh and its function with a `python` that prints its arguments and whether it ignores SIGTERM."""
    (tmp_path / "python").write_text('#!/bin/bash\nkill -TERM $$\necho "$@"\n')
    (tmp_path / "python").chmod(0o755)

    def run(before: str) -> str:
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "12"}
        script = f"source {ROOT}/slurm/requeue.sh; {before}; (exit 137); end_or_requeue $?"
        done = processes.run(["bash", "-c", script], cwd=tmp_path, env=env)
        return done.stdout.strip()

    return run


def test_the_templates_requeue_from_the_folder_that_training_announces(end_of_script, tmp_path):
    code = "from pathlib import Path; from litemono.engine.run_folder import announce; announce(Path('runs/mine'))"
    answer = end_of_script(f'PYTHONPATH={ROOT} "{sys.executable}" -c "{code}"')
    assert answer == f"-m litemono.jobs.requeue 137 {tmp_path}/runs/mine"


def test_the_templates_requeue_after_a_training_that_was_killed_before_it_announced_a_folder(end_of_script, tmp_path):
    assert end_of_script("true") == f"-m litemono.jobs.requeue 137 {tmp_path}/logs/.job-12"
