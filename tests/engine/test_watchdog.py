"""A training that hangs is ended, with its stacks in the log; one that works is left alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest
from conftest import ROOT
from trainings import ONE_THREAD, assert_same_training, flags

from litemono.engine import watchdog
from litemono.engine.watchdog import FIRST_STEPS, LEAST_SECONDS, Watchdog
from litemono.utils.atomic_files import read_json
from litemono.utils.cli import HUNG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stopped and stuck processes of Linux")
HANG_MINUTES = "0.2"
FIRST = FIRST_STEPS + 1  # after so many steps the limit is --hang_minutes


def train(*arguments: object, start_new_session: bool = False) -> subprocess.Popen:
    command = [sys.executable, "-m", "litemono.train", *map(str, arguments), "--hang_minutes", HANG_MINUTES]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
    return processes.start(
        command,
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=start_new_session,
    )


def begin(data: Path, folder: Path, **options) -> subprocess.Popen:
    """A training below `folder` that has made so many steps that the limit is --hang_minutes."""
    process, status = train(*flags(data, folder), **options), folder / "run/status.json"
    processes.wait_until(f"step {FIRST} in {status}", lambda: read_json(status).get("step", 0) >= FIRST, by=process)
    return process


@pytest.fixture(scope="module")
def disturbed(street, tmp_path_factory) -> dict[str, tuple[subprocess.CompletedProcess, Path]]:
    """How three trainings ended, and their folders. They are disturbed together: each takes the limit until it ends."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("stopped", "reads", "suspended")}
    stopped = begin(street, folders["stopped"])
    stopped.send_signal(signal.SIGSTOP)
    copy = shutil.copytree(street, folders["reads"] / "data")
    reads = begin(copy, folders["reads"])
    for path in copy.rglob("*.png"):  # frames of the second epoch, as on a file server that no longer answers
        path.unlink()
        os.mkfifo(path)
    suspended = begin(street, folders["suspended"], start_new_session=True)
    os.killpg(suspended.pid, signal.SIGSTOP)
    time.sleep(1.5 * 60 * float(HANG_MINUTES))
    os.killpg(suspended.pid, signal.SIGCONT)
    ended = {"stopped": stopped, "reads": reads, "suspended": suspended}
    return {name: (processes.finish(process, 120), folders[name]) for name, process in ended.items()}


def test_a_stopped_process_is_ended_with_its_stacks_and_resumes_to_the_same_bits(street, disturbed, uninterrupted):
    """Under the watchdog again, which leaves a run that works alone."""
    done, folder = disturbed["stopped"]
    assert done.returncode == HUNG, done.stdout
    assert re.search(r"watchdog: hung: no step was finished for \d+ s", done.stdout)
    assert "most recent call first" in done.stdout
    status = json.loads((folder / "run/status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("failed", False, HUNG)
    assert status["message"].startswith("hung: no step")
    again = processes.finish(train(*flags(street, folder)))
    assert again.returncode == 0, again.stdout
    assert json.loads((folder / "run/status.json").read_text())["state"] == "finished"
    assert_same_training(uninterrupted, folder / "run")


def test_a_read_that_never_returns_is_found(disturbed):
    done, _ = disturbed["reads"]
    assert done.returncode == HUNG, done.stdout
    assert "hung" in done.stdout and "litemono" in done.stdout


def test_a_job_that_was_suspended_continues_when_it_is_resumed(disturbed, uninterrupted):
    """Slurm stops all processes of a job, the watchdog too; so does Ctrl-Z."""
    done, folder = disturbed["suspended"]
    assert done.returncode == 0, done.stdout
    assert_same_training(uninterrupted, folder / "run")


def test_the_limit_follows_the_steps_and_is_never_below_three_of_them(monkeypatch, tmp_path):
    clock = [0.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(watchdog.subprocess, "Popen", lambda *a, **k: pytest.fail("started"))

    def after_steps(hang_minutes: float, seconds: float) -> Watchdog:
        dog = Watchdog(tmp_path, 0)  # no process
        dog._given = None if hang_minutes is None else 60 * hang_minutes
        for _ in range(5):
            clock[0] += seconds
            dog.beat(step_taken=True)
        return dog

    assert after_steps(None, 1.0).limit == LEAST_SECONDS
    assert after_steps(None, 100.0).limit == pytest.approx(2000)
    assert after_steps(1.0, 1.0).limit == 60
    assert after_steps(1.0, 50.0).limit == pytest.approx(150), "shorter than a step would end every run"
    assert (
        after_steps(1.0, 50.0).too_short == "" == after_steps(None, 5000.0).too_short == after_steps(0, 5.0).too_short
    )
    assert "a step takes 70.0 s here" in after_steps(1.0, 70.0).too_short
    assert "give --hang_minutes 24" in after_steps(1.0, 70.0).too_short


def test_a_time_shorter_than_a_step_ends_the_run_with_the_reason_and_a_checkpoint(street, tmp_path):
    """A hundredth of a second of --hang_minutes; the watchdog itself waits for three steps."""
    command = [sys.executable, "-m", "litemono.train", *map(str, flags(street, tmp_path)), "--hang_minutes", "0.0001"]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "so every run would count as hung" in done.stderr.splitlines()[-1]
    assert list((tmp_path / "run/checkpoints").glob("step_*.pt")) and "Traceback" not in done.stderr


def test_a_checkpoint_may_take_longer_than_a_step(tmp_path, monkeypatch):
    monkeypatch.setattr(watchdog, "MORE_SECONDS_GIVEN", 30.0)
    sent = []
    monkeypatch.setattr(Watchdog, "_send", lambda self, kind, limit: sent.append(limit))
    dog = Watchdog(tmp_path, 0)
    dog._given = 60.0
    with dog.writing():
        assert sent == [120.0]
    assert sent == [120.0, 90.0], "no step was taken yet"
    assert (
        watchdog.collective_seconds(1) > 60 + 30 and watchdog.collective_seconds(None) > watchdog.LEAST_SECONDS + 1200
    )
