"""Training on several data sets: a killed run ends with the bits of an uninterrupted one, with another number of threads."""

from __future__ import annotations

import json
from pathlib import Path

import processes
import pytest
from depth_data import write_nyu, write_pairs
from trainings import assert_same_training, complete, kill_at_step, scalars, start

from litemono.finetune import main

NAMES = ("pairs", "nyu")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    """A folder pair of 12 images and NYU's layout with 8 frames, as --data_path and its data sets."""
    root = tmp_path_factory.mktemp("mixed")
    nyu = write_nyu(root / "nyu")
    lines = "".join(f"{scene} {n} l\n" for scene in ("bathroom_0001", "kitchen_0028b") for n in (0, 1, 5, 45))
    for which in ("train", "val"):
        (nyu / f"{which}_files.txt").write_text(lines)
    return f"--dataset pairs,nyu --data_path {write_pairs(root / 'pairs')},{nyu} --split own,{nyu} --min_depth 0.1"


def flags(data: str, log_dir: Path, workers: int) -> list[str]:
    """Two epochs of steps of three samples, two of them from the folder pair."""
    text = (
        f"{data} --mix 2,1 --depth_factor 1000 0 --model lite-mono-tiny --height 32 --width 64 --batch_size 3 "
        f"--num_epochs 2 --num_workers {workers} --log_dir {log_dir} --model_name run --device cpu --log_every 1 "
        "--checkpoint_minutes 0"
    )
    return text.split()


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory) -> Path:
    log_dir = tmp_path_factory.mktemp("runs")
    complete(main, flags(data, log_dir, workers=0))
    return log_dir / "run"


def test_a_mixed_run_killed_in_the_middle_ends_with_the_same_bits(data, tmp_path, uninterrupted):
    kill_at_step(3, "litemono.finetune", flags(data, tmp_path, workers=0), tmp_path / "run")
    assert processes.finish(start("litemono.finetune", flags(data, tmp_path, workers=2))).returncode == 0
    assert_same_training(uninterrupted, tmp_path / "run")


def test_each_data_set_has_curves_of_its_own(uninterrupted):
    status = json.loads((uninterrupted / "status.json").read_text())
    assert status["state"] == "finished"
    for name in NAMES:
        assert [step for step, _ in scalars(uninterrupted / "train", f"loss/{name}")] == [*range(1, status["step"] + 1)]
        assert len(scalars(uninterrupted / "val", f"{name}/abs_rel")) == 2
