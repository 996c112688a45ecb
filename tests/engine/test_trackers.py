"""Trackers: what they are given, the id that a requeued job keeps, and that their failures stop no training."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from trainings import EPOCH_STEPS, final_state, settings

from litemono.engine import trackers
from litemono.engine.trackers import Tracker
from litemono.train import train
from litemono.utils.errors import UserError

STUB = """
import json, pathlib

class Settings:
    def __init__(self, **settings): pass

class Run:
    def __init__(self, given): self.path = pathlib.Path(given["dir"]) / "calls.jsonl"; self.note("init", given)
    def note(self, *what): self.path.open("a").write(json.dumps(what, default=str) + "\\n")
    def log(self, values, step):
        if (self.path.parent / "broken").exists(): raise RuntimeError("the server is gone")
        self.note("log", step, values)
    def finish(self, exit_code): self.note("finish", exit_code)

def init(**given): return Run(given)
"""


class Recorder:
    def __init__(self):
        self.calls = []

    def log(self, values, step):
        self.calls.append((values, step))

    def end(self, finished):
        self.calls.append(finished)


def test_values_arrive_in_order_and_the_end_waits_for_them():
    recorder, said = Recorder(), []
    tracker = Tracker("stub", lambda: time.sleep(0.2) or recorder, said.append)
    for step in range(100):
        tracker.log({"loss": 1.0}, step)
    tracker.end(True)
    assert recorder.calls == [*(({"loss": 1.0}, step) for step in range(100)), True] and not said


@pytest.mark.parametrize("error", [RuntimeError("no network"), SystemExit(1), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["start", "log", "end"])
def test_a_tracker_that_fails_is_left_alone_and_reported_once(monkeypatch, where, error):
    recorder, said = Recorder(), []

    def fail(*_):
        raise error

    if where != "start":
        monkeypatch.setattr(recorder, where, fail)
    tracker = Tracker("stub", fail if where == "start" else lambda: recorder, said.append)
    for step in range(3):
        tracker.log({"loss": 1.0}, step)
        time.sleep(0.02)
    tracker.end(True)
    (line,) = said
    assert line.startswith(f"--tracker stub failed ({type(error).__name__}") and line.endswith("continues without it")


def test_a_tracker_that_hangs_neither_blocks_nor_fills_the_memory(monkeypatch):
    monkeypatch.setattr(trackers, "END_SECONDS", 0.1)
    monkeypatch.setattr(trackers, "WAITING", 10)
    hang, said = threading.Event(), []
    tracker = Tracker("stub", hang.wait, said.append)
    begin = time.monotonic()
    for step in range(1000):
        tracker.log({"loss": 1.0}, step)
    tracker.end(True)
    assert time.monotonic() - begin < 5 and "did not end within" in said[0]
    hang.set()


@pytest.fixture
def stub(tmp_path, monkeypatch) -> Iterator[None]:
    """A package wandb; other tests do without it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/wandb.py").write_text(STUB)
    monkeypatch.syspath_prepend(tmp_path / "site")
    sys.modules.pop("wandb", None)
    yield
    sys.modules.pop("wandb", None)


@pytest.mark.usefixtures("one_thread", "stub")
def test_a_run_keeps_its_id_when_it_resumes_and_finishes_though_the_tracker_fails(
    street, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    config = settings(street, tmp_path, "run", run={"tracker": "wandb"})
    first = replace(config, run=replace(config.run, max_steps=2))
    assert train(first) == 0 and train(replace(first, run=replace(first.run, max_steps=3))) == 0
    calls = [json.loads(line) for line in (config.folder / "calls.jsonl").read_text().splitlines()]
    begun = [call[1] for call in calls if call[0] == "init"]
    identity = json.loads((config.folder / "tracker.json").read_text())["wandb"]
    assert [given["id"] for given in begun] == [identity] * 2 and begun[0]["mode"] == "offline"
    assert begun[0]["config"]["optim"]["batch_size"] == 2
    trained = [call[1] for call in calls if call[0] == "log" and "train/loss" in call[2]]
    validated = [call[1] for call in calls if call[0] == "log" and "val/loss" in call[2]]
    assert trained == [1, 2, 3] and validated == [2, 3] and calls[-1] == ["finish", 0]
    (config.folder / "broken").touch()
    capsys.readouterr()
    assert train(config) == 0
    assert "--tracker wandb failed (RuntimeError: the server is gone)" in capsys.readouterr().out
    assert final_state(config.folder)["progress"]["step"] == 2 * EPOCH_STEPS


@pytest.mark.parametrize("folder", [True, False])
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_written(street, tmp_path, monkeypatch, folder):
    """A folder with the name of the package, such as wandb makes, is not the package."""
    (tmp_path / ("mlflow" if folder else "other")).mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "none")])
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    with pytest.raises(UserError, match=r"--tracker mlflow: .* pip install 'litemono\[mlflow\]'"):
        trackers.check_tracker(settings(street, tmp_path, run={"tracker": "mlflow"}))
