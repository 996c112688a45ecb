"""The benchmark of predict runs every backend that is installed, and compares each with the published loop."""

from __future__ import annotations

import json

import pytest

from benchmarks.predict import PUBLISHED, PredictBenchmark, benchmark
from litemono.predicting.backends import NEEDS, missing

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_backend_has_a_row_with_ratios_to_the_published_loop(tmp_path, capsys):
    benchmark(PredictBenchmark("lite-mono-tiny", "96x64", images=2, rounds=1, json=tmp_path / "p.json"))
    rows = json.loads((tmp_path / "p.json").read_text())["rows"]
    assert [row["subject"] for row in rows] == [PUBLISHED, *(name for name in NEEDS if not missing(name)), "auto"]
    assert rows[0]["ratio"] == rows[0]["cpu_ratio"] == 1
    assert all(row["ms_per_image"] > 0 and row["cpu_ratio"] > 0 for row in rows)
    assert "times the speed of the published loop" in capsys.readouterr().out
