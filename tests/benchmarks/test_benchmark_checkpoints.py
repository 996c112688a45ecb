"""python -m benchmarks.checkpoints: steps that save are timed beside steps that do not."""

from __future__ import annotations

import json

import pytest
from tiny_kitti import assert_refused, invoke

from benchmarks import checkpoints


@pytest.mark.usefixtures("one_thread")
def test_every_kind_of_step_is_timed_and_nothing_is_left(tmp_path, capsys):
    (tmp_path / "disk").mkdir()
    size = ("--model", "lite-mono-tiny", "--width", 64, "--height", 32, "--batch", 1, "--rounds", 1, "--device", "cpu")
    outcome = invoke(checkpoints.main, capsys, *size, "--folder", tmp_path / "disk", "--json", tmp_path / "out.json")
    assert outcome.code == 0, outcome
    record = json.loads((tmp_path / "out.json").read_text())
    assert {name: len(row["seconds"]) for name, row in record["steps"].items()} == dict.fromkeys(record["steps"], 1)
    assert record["steps"][checkpoints.PLAIN]["ratio"] == 1 < record["steps"][checkpoints.WAITING]["ratio"]
    assert record["checkpoint_mb"] > 100 and not [*(tmp_path / "disk").iterdir()]


def test_no_rounds_are_refused(capsys):
    assert_refused(invoke(checkpoints.main, capsys, "--rounds", 0), "--rounds 0")
