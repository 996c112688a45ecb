"""The table of runs, from run folders alone and together with what Slurm says."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest
from conftest import ROOT
from tiny_kitti import assert_refused, invoke

from litemono import status
from litemono.jobs import slurm
from litemono.jobs.slurm import JobState
from litemono.utils.errors import UserError


def write_run(folder: Path, job: dict | None = None, **heartbeat) -> Path:
    folder.mkdir(parents=True)
    values = {
        "state": "running", "epoch": 1, "step": 150, "steps_per_epoch": 100, "total_steps": 3000, "restarts": 2,
        "images_per_second": 199.6, "data_wait": 0.031, "loss": 0.1234567, "eta_seconds": 7200,
        "best": {"loss": 0.1, "de/abs_rel": 0.118},
        "pid": os.getpid(), "host": socket.gethostname(), "node": "gpu001", "job_id": None, "updated": time.time(),
    }  # fmt: skip
    (folder / "status.json").write_text(json.dumps({**values, **heartbeat}))
    if job:
        (folder / "job.json").write_text(json.dumps(job))
    return folder


@pytest.fixture
def no_slurm(monkeypatch):
    monkeypatch.setattr(slurm, "available", lambda: False)


@pytest.fixture
def fake_slurm(monkeypatch):
    """Set queue and history; both are dicts by job id."""

    def install(queue=None, history=None):
        monkeypatch.setattr(slurm, "available", lambda: True)
        monkeypatch.setattr(slurm, "queue", lambda: queue or {})
        monkeypatch.setattr(slurm, "history", lambda ids: {i: j for i, j in (history or {}).items() if i in ids})

    return install


@pytest.mark.parametrize("value", ["x", -1, 1e400, 1e300, None, True, [1], {"a": 1}, "x" * 100_000, "a\nb"])
def test_one_run_with_values_of_wrong_types_leaves_the_others_shown(tmp_path, no_slurm, value, capsys):
    write_run(tmp_path / "good", state="finished")
    names = (
        "state",
        "epoch",
        "step",
        "steps_per_epoch",
        "total_steps",
        "restarts",
        "images_per_second",
        "data_wait",
        "loss",
    )
    for name in (*names, "best_abs_rel", "eta_seconds", "pid", "host", "node", "job_id", "updated", "message"):
        write_run(tmp_path / f"bad_{name}", job={"job_id": value, "submitted": value}, **{name: value})
    evaluated = tmp_path / "good" / "models" / "last" / "eval_eigen.json"
    evaluated.parent.mkdir(parents=True)
    for content in (value, {"metrics": value}, {"metrics": {"abs_rel": value}}):
        evaluated.write_text(json.dumps(content))
        assert status.status(status.StatusConfig(tmp_path)) == 0
        shown = capsys.readouterr().out
        assert "good" in shown and shown.count("bad_") == 17


def test_one_file_nested_too_deeply_leaves_the_others_shown(tmp_path, no_slurm):
    write_run(tmp_path / "good", state="finished")
    (write_run(tmp_path / "bad") / "status.json").write_text("[" * 200_000)
    assert {run.name: run.state for run in status.read_runs(tmp_path)}["good"] == "finished"


def only(log_dir: Path) -> status.Run:
    (run,) = status.read_runs(log_dir)
    return run


def test_without_slurm_the_run_folder_tells_everything(tmp_path, no_slurm):
    write_run(tmp_path / "mytrain")
    run = only(tmp_path)
    assert run.name == "mytrain" and run.state == "running" and run.node == "gpu001" and run.restarts == 2
    assert run.progress == "2: 150/3000" and run.speed == "199.6" and run.data_wait == "3%" and run.loss == "0.1235"
    assert run.abs_rel == 0.118 and run.eta.startswith(("1h59m", "2h00m")) and run.fits == ""


def test_a_process_that_is_gone_is_told(tmp_path, no_slurm):
    write_run(tmp_path / "a", pid=2**22 + 1)
    assert only(tmp_path).state == "killed"


def test_a_process_on_another_machine_that_keeps_silent_is_told(tmp_path, no_slurm):
    write_run(tmp_path / "a", host="elsewhere", updated=time.time() - 3600)
    assert only(tmp_path).state == "silent for 1h00m"


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed"])
def test_states_of_the_run_itself_are_kept(tmp_path, no_slurm, state):
    write_run(tmp_path / "a", state=state, message="why")
    run = only(tmp_path)
    assert run.state == state and run.message == ("" if state == "finished" else "why")


def test_evaluated_errors_count_more_than_those_of_training(tmp_path, no_slurm):
    run = write_run(tmp_path / "a")
    for epoch, value in ((1, 0.125), (2, 0.112)):
        (run / f"models/weights_{epoch}").mkdir(parents=True)
        (run / f"models/weights_{epoch}/eval_eigen.json").write_text(json.dumps({"metrics": {"abs_rel": value}}))
    (run / "models/weights_2/eval_street.json").write_text(json.dumps({"metrics": {"abs_rel": 0.05}}))
    assert only(tmp_path).abs_rel == 0.112, "errors on other images are not comparable"


def test_a_heartbeat_that_is_old_is_said_whatever_slurm_says(tmp_path, fake_slurm):
    """Hung since three hours, while its job runs: no speed, no time left."""
    write_run(tmp_path / "a", job_id="7", eta_seconds=3600, updated=time.time() - 3 * 3600)
    fake_slurm({"7": JobState("7", "RUNNING", "gpu002", "None", 1200, 1440)})
    run = only(tmp_path)
    assert (run.state, run.speed, run.eta, run.fits) == ("silent for 3h00m", "", "", "")


def test_a_requeued_job_whose_heartbeat_is_of_the_start_before_is_starting(tmp_path, fake_slurm):
    write_run(tmp_path / "a", job_id="7", updated=time.time() - 3 * 3600)
    fake_slurm({"7": JobState("7", "RUNNING", "gpu002", "None", 1439, 1440)})
    assert only(tmp_path).state == "starting"


def test_a_hang_that_the_watchdog_ended_is_called_that(tmp_path, no_slurm):
    write_run(tmp_path / "a", state="failed", exit=4, message="hung: no step was finished for 600 s")
    run = only(tmp_path)
    assert (run.state, run.message, run.eta) == ("hung", "hung: no step was finished for 600 s", "")


@pytest.mark.parametrize(("state", "code"), [("finished", 0), ("running", 0), ("failed", 1), ("interrupted", 0)])
def test_check_tells_scripts_and_json_programs(tmp_path, no_slurm, capsys, state, code):
    write_run(tmp_path / "a", state=state, host=socket.gethostname(), pid=os.getpid())
    assert status.status(status.StatusConfig(tmp_path, check=True, json=True)) == code
    assert [run["state"] for run in json.loads(capsys.readouterr().out)] == [state]


def test_a_running_job_says_whether_the_run_fits_its_time_limit(tmp_path, fake_slurm):
    write_run(tmp_path / "a", job_id="7", eta_seconds=3 * 3600)
    for left, answer in ((200, "yes"), (130, "1 more"), (10, "3 more")):
        fake_slurm({"7": JobState("7", "RUNNING", "gpu002", "None", left, 60)})
        run = only(tmp_path)
        assert run.fits == answer and run.node == "gpu002" and run.job == "7"


def test_a_queued_job_tells_what_it_waits_for(tmp_path, fake_slurm):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/job.json").write_text(json.dumps({"job_id": "8", "submitted": time.time()}))
    fake_slurm({"8": JobState("8", "PENDING", "", "Priority", None, 1440)})
    run = only(tmp_path)
    assert run.state == "queued" and run.message == "Priority" and run.job == "8"


def test_a_requeued_run_is_queued_although_its_folder_says_interrupted(tmp_path, fake_slurm):
    write_run(tmp_path / "a", state="interrupted", job_id="8")
    fake_slurm({"8": JobState("8", "PENDING", "", "BeginTime", None, 1440)})
    assert only(tmp_path).state == "queued"


@pytest.mark.parametrize(
    ("ended", "word"), [("CANCELLED", "cancelled"), ("TIMEOUT", "timed out"), ("NODE_FAIL", "failed")]
)
def test_accounting_tells_how_a_run_ended_that_could_not_say_so_itself(tmp_path, fake_slurm, ended, word):
    write_run(tmp_path / "a", job_id="9")
    fake_slurm({}, {"9": JobState("9", ended, "gpu001", "", None, 1440)})
    assert only(tmp_path).state == word


def test_a_job_that_runs_has_not_failed_when_only_accounting_answers(tmp_path, fake_slurm):
    write_run(tmp_path / "a", job_id="9")
    fake_slurm({}, {"9": JobState("9", "RUNNING", "gpu001", "", None, 1440)})
    assert only(tmp_path).state == "running"


def test_runs_of_a_sweep_are_found_below_its_folder_and_the_best_is_marked(tmp_path, no_slurm, capsys):
    for rate, value in (("1e-4", 0.12), ("5e-5", 0.11)):
        write_run(tmp_path / "sweep" / f"lr={rate}", best={"abs_rel": value})
    names = [run.name for run in status.read_runs(tmp_path)]
    assert names == ["sweep/lr=1e-4", "sweep/lr=5e-5"]
    status.status(status.StatusConfig(log_dir=tmp_path))
    text = capsys.readouterr().out
    assert "sweep/lr=1e-4" in text and "0.110" in text and "img/s" in text


def test_half_written_and_foreign_files_do_no_harm(tmp_path, no_slurm):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/status.json").write_text('{"state": "run')
    (tmp_path / "b").mkdir()
    (tmp_path / "b/status.json").write_text("[]")
    assert [run.state for run in status.read_runs(tmp_path)] == ["queued", "queued"]


@pytest.mark.parametrize("flags", [["--json"], ["--cost", "--json"], [], ["--cost"]])
def test_what_is_no_file_or_no_text_for_a_terminal_leaves_the_others_shown(tmp_path, no_slurm, capsys, flags):
    """A pipe would block and a device never end; a name with brackets or escapes would change the table."""
    write_run(tmp_path / "good", state="finished")
    for name in ("status.json", "job.json", "attempts.jsonl", "bad_nodes.jsonl"):
        folder = write_run(tmp_path / f"pipe_{name}")
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
    for name, target in (("device", "/dev/zero"), ("loop", "status.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "status.json").symlink_to(target)
    with open(write_run(tmp_path / "large") / "status.json", "ab") as file:
        file.truncate(2**40)  # sparse
    for name in ("[bold]a[/b]", "esc\x1b[31m", "line\nbreak"):
        write_run(tmp_path / name, state="failed", message="\x1b[2J[/x]", best={"abs_rel": float("nan")})
    assert status.status(status.StatusConfig(tmp_path, json="--json" in flags, cost="--cost" in flags)) == 0
    shown = capsys.readouterr().out
    assert "[bold]a[/b]" in shown and "good" in shown and "\x1b" not in shown and "line\nbreak" not in shown
    if "--json" in flags:
        json.loads(shown, parse_constant=pytest.fail)  # NaN is no JSON


def test_a_folder_without_runs_is_an_error(tmp_path):
    with pytest.raises(UserError, match="there is no run in this folder"):
        status.read_runs(tmp_path)


def test_a_watch_shows_each_table_where_the_output_is_a_pipe_and_the_cursor_after_sigterm(tmp_path):
    write_run(tmp_path / "a", state="finished")
    command = [sys.executable, "-m", "litemono.status", "--log_dir", tmp_path, "--watch", "--seconds", "0.05"]
    piped = processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert [piped.stdout.readline().split()[:1] for _ in range(6)] == [["run"], ["a"], []] * 2
    piped.send_signal(signal.SIGINT)
    assert processes.finish(piped).returncode == 0
    terminal, its_end = pty.openpty()
    shown = processes.start(command, stdout=its_end, stderr=its_end, cwd=ROOT, env={**os.environ, "TERM": "xterm"})
    seen = b""
    while b"finished" not in seen and select.select([terminal], [], [], processes.LIMIT)[0]:
        seen += os.read(terminal, 4096)
    shown.terminate()
    assert processes.finish(shown).returncode == 143
    while select.select([terminal], [], [], 0)[0]:
        seen += os.read(terminal, 4096)
    assert seen.count(b"\x1b[?25l") == seen.count(b"\x1b[?25h") == 1
    os.close(terminal)
    os.close(its_end)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_between_updates_that_none_is_is_refused(tmp_path, seconds, capsys):
    assert_refused(invoke(status.main, capsys, "--log_dir", tmp_path, "--watch", "--seconds", seconds), "--seconds")
