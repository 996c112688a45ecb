"""What evaluate keeps of each image."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
from evaluations import DEPTH, evaluate_command
from tiny_kitti import invoke

from benchmarks.evaluation_memory import FLAGS, write_folders
from evaluate.__main__ import main
from litemono.utils import bootstrap


def test_memory_does_not_grow_with_the_number_of_images(capsys, tmp_path):
    run = evaluate_command(capsys, tmp_path / "errors.json")

    def peak(count: int) -> int:
        for folder in ("gt", "pred"):
            (tmp_path / f"{folder}{count}").mkdir()
            for frame in range(count):
                np.save(tmp_path / f"{folder}{count}/{frame}.npy", np.full((300, 1000), 5.0 + frame, np.float32))
        tracemalloc.start()
        flags = ("--pred", tmp_path / f"pred{count}", "--gt_path", tmp_path / f"gt{count}", *DEPTH)
        assert run(*flags, "--num_workers", 1)[0].code == 0
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few = peak(4)
    assert peak(24) < few + 2 * 300 * 1000 * 4, "20 more images, room for two more maps"


def test_of_each_image_a_row_of_metrics_and_two_names_are_kept(tmp_path, capsys, monkeypatch):
    """Names and metrics have one block of memory each; as objects of Python they took five times as much."""

    def peak(count: int) -> int:
        """The lower one of two: Python's table of interned strings may grow in one."""
        root = tmp_path / str(count)
        write_folders(root, count)
        return min(traced(root, count) for _ in range(2))

    def traced(root, count: int) -> int:
        flags = ("--pred", root / "pred", "--gt_path", root / "gt", "--output", root / "e.json", *FLAGS)
        tracemalloc.start()
        assert invoke(main, capsys, *flags, "--num_workers", 1).code == 0
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(json.loads((root / "e.json").read_text())["per_image"]["rmse"]) == count
        return found

    peak(20)  # what is imported on the way
    monkeypatch.setattr(bootstrap, "AT_ONCE", 1)  # its memory is constant, but not of one size for every count
    few, more = 1100, 2200
    assert (peak(more) - peak(few)) / (more - few) < 1200, "25 numbers of 8 bytes, 2 names, text, and room to grow"
