"""The evaluation benchmarks: every stage is timed, the plainly written loop gives our number, memory is recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tiny_kitti import assert_refused, invoke

from benchmarks import evaluation_memory
from benchmarks.evaluation import OURS, Config, measure
from litemono.utils import cli


def main() -> None:
    cli.run(measure, Config, "python -m benchmarks.evaluation")


def memory_main() -> None:
    cli.run(evaluation_memory.measure, evaluation_memory.Config, "python -m benchmarks.evaluation_memory")


def test_stages_are_timed_and_both_ways_of_scoring_agree(tmp_path, capsys):
    for frame in range(2):
        pixels = np.random.default_rng(frame).integers(0, 256, (375, 1242, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{frame}.png")
    outcome = invoke(main, capsys, "--images", tmp_path, "--repeats", 1, "--json", tmp_path / "out.json")
    assert outcome.code == 0, outcome
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["largest_difference_of_abs_rel"] == pytest.approx(0, abs=1e-6)
    assert min(record["cpu_ms_per_image"].values()) > 0 and set(OURS) < record["cpu_ms_per_image"].keys()
    whole = record["end_to_end_ms_per_image"]
    assert [*whole] == [f"{name}, {n} threads" for n in (1, 2) for name in ("nothing", "lite-mono")]
    assert all(0 <= case["in the network"] < case["wall"] and case["cpu"] > 0 for case in whole.values())
    assert whole["nothing, 1 threads"]["in the network"] < whole["lite-mono, 1 threads"]["in the network"]


def test_a_folder_without_images_is_refused(tmp_path, capsys):
    assert_refused(invoke(main, capsys, "--images", tmp_path), "--images", "image_02/data")


def test_memory_is_added_to_the_record(tmp_path, capsys):
    (tmp_path / "r.json").write_text('{"images": 40}')
    outcome = invoke(memory_main, capsys, "--few", 2, "--many", 30, "--json", tmp_path / "r.json")
    assert outcome.code == 0, outcome.err
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["images"] == 40 and record["memory"]["images"] == [2, 30]
    assert min(record["memory"]["peak_bytes"]) > 1e7
