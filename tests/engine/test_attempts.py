"""attempts.jsonl: what each start of a run was, and how it ended."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from litemono.engine import attempts


@pytest.fixture
def in_job(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("LITEMONO_COMMAND", "python -m litemono.submit --partition gpu")


def heartbeat(run: Path, state: str, step: int, **fields) -> None:
    values = {"state": state, "step": step, "updated": time.time(), **fields}
    (run / "status.json").write_text(json.dumps(values))


def begin(run: Path, monkeypatch, restart: int) -> dict:
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))
    attempts.begin(run, [{"node": "gpu001", "device": "Tesla V100"}])
    return attempts.read(run)[-1]


def test_each_start_has_a_line_with_code_command_places_and_end(tmp_path, in_job, monkeypatch):
    first = begin(tmp_path, monkeypatch, 0)
    assert (first["attempt"], first["status"], first["ended"], first["from_step"]) == (1, "running", None, 0)
    assert first["command"] == "python -m litemono.submit --partition gpu"
    assert first["processes"] == [{"node": "gpu001", "device": "Tesla V100"}] and first["job_id"] == "12"
    assert all(first[name] for name in ("litemono", "commit", "python", "torch", "numpy", "code", "folder"))
    heartbeat(tmp_path, "interrupted", 40, exit=140, message="SIGUSR2: saved at step 40")
    attempts.end(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/step_00000040.pt").touch()
    second = begin(tmp_path, monkeypatch, 1)
    ended = attempts.read(tmp_path)[0]
    assert (ended["status"], ended["exit"], ended["step"]) == ("interrupted", 140, 40) and ended["ended"]
    assert (second["attempt"], second["restart"], second["from_step"]) == (2, 1, 40)


def test_an_attempt_that_was_killed_ends_with_the_job_or_with_the_next_start(tmp_path, in_job, monkeypatch):
    begin(tmp_path, monkeypatch, 0)
    heartbeat(tmp_path, "running", 17)
    attempts.end(tmp_path, exit_status=137)  # the end of the batch script
    begin(tmp_path, monkeypatch, 1)
    heartbeat(tmp_path, "running", 23)
    updated = json.loads((tmp_path / "status.json").read_text())["updated"]
    begin(tmp_path, monkeypatch, 2)  # the node was lost, and the batch script with it
    by_script, by_next, _ = attempts.read(tmp_path)
    assert (by_script["status"], by_script["exit"], by_script["step"]) == ("killed", 137, 17)
    assert (by_next["status"], by_next["exit"], by_next["step"], by_next["ended"]) == ("killed", None, 23, updated)


def test_a_hang_is_called_one_and_the_state_of_an_earlier_start_is_not_taken(tmp_path, in_job, monkeypatch):
    begin(tmp_path, monkeypatch, 0)
    heartbeat(tmp_path, "failed", 9, exit=4, message="hung: no step was finished")
    attempts.end(tmp_path)
    begin(tmp_path, monkeypatch, 1)
    attempts.end(tmp_path, exit_status=1)
    hung, crashed = attempts.read(tmp_path)
    assert hung["status"] == "hung" and "no step" in hung["message"]
    assert (crashed["status"], crashed["exit"], crashed["message"], crashed["step"]) == ("killed", 1, "", 0)


def test_damaged_lines_are_left_out(tmp_path, in_job, monkeypatch):
    (tmp_path / attempts.FILE).write_text('[1]\n{"attempt": 1\nnonsense\n' + "[" * 100_000 + "\n")
    assert attempts.read(tmp_path) == []
    assert begin(tmp_path, monkeypatch, 0)["attempt"] == 1
