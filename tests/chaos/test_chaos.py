"""The tools of the chaos runs: a comparison that sees one bit, kills that hit where they are aimed."""

from __future__ import annotations

import random
import signal
import sys
from pathlib import Path

import processes
import pytest
import torch
from conftest import ROOT
from tiny_kitti import invoke

from litemono.engine import checkpoint
from litemono.engine.tensorboard import Curves
from litemono.finetune import main as finetune

from . import sabotage
from .aims import Aim
from .compare import compare, run_contents
from .lanes import make_lanes, wait_for_all

WRITER = """
import sys
from pathlib import Path
from litemono.engine import checkpoint
for step in range(1, 4):
    checkpoint.save(Path(sys.argv[1]) / "checkpoints", step, {"progress": {}, "optimizers": [], "config": {}}, 3)
"""


def make_run(run: Path, value: float = 1.0, last_step: int = 3) -> Path:
    """A run folder with a checkpoint, weights and a curve."""
    state = {
        "progress": {"step": 3, "restarts": 0},
        "config": {},
        "networks": {"w": torch.tensor([value])},
        "optimizers": [],
    }
    for step in (2, 3):
        checkpoint.save(run / "checkpoints", step, state, 3)
    (run / "models/last").mkdir(parents=True)
    torch.save({"w": torch.tensor([value])}, run / "models/last/depth.pth")
    curves = Curves(run / "train", ".0")
    for step in range(1, last_step + 1):
        curves.scalar("loss", 0.5, step)
    curves.close()
    return run


def test_equal_runs_differ_in_no_byte(tmp_path):
    one, other = (run_contents(make_run(tmp_path / name)) for name in ("one", "other"))
    comparison = compare(one, other)
    assert comparison.bytes > 20 and (comparison.differing, comparison.where) == (0, [])


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"value": 1.0 + 2**-23}, "models/last/depth.pth:w"),
        ({"last_step": 2}, "train/loss"),
    ],
)
def test_one_bit_of_a_weight_and_one_point_of_a_curve_are_seen(tmp_path, change, where):
    one, other = run_contents(make_run(tmp_path / "one")), run_contents(make_run(tmp_path / "other", **change))
    comparison = compare(one, other)
    assert comparison.differing > 0 and any(where in text for text in comparison.where)


def test_a_file_left_half_written_is_seen(tmp_path):
    one, other = make_run(tmp_path / "one"), make_run(tmp_path / "other")
    (other / ".status.json.9.tmp").touch()
    assert compare(run_contents(one), run_contents(other)).differing > 0


@pytest.mark.parametrize(("nth", "finished"), [(1, 0), (6, 1)])
def test_a_kill_hits_the_write_at_which_it_is_aimed(tmp_path, nth, finished):
    """Of each checkpoint's writes (its folder, checksum and data, each opened and renamed) only those before the aim are done."""
    (tmp_path / "writer.py").write_text(WRITER)
    aim = Aim("checkpoint", nth, signal.SIGKILL)
    done = processes.run(
        [sys.executable, "-m", "tests.chaos.victim", "writer", tmp_path],
        env={**aim.environment(), "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        cwd=ROOT,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "checkpoints").glob("step_*.pt"))) == finished


def test_a_kill_of_a_worker_hits_the_worker(tmp_path):
    """The victim lives on and finds it dead."""
    lane = make_lanes(tmp_path)["pack"]
    aim = Aim("frames", 1, signal.SIGKILL, only_workers=True)
    assert wait_for_all(lane.start(tmp_path / "round", [aim.environment()])) == [2]
    assert "its process died (exit status -9)" in (tmp_path / "round/output.0.txt").read_text()


@pytest.mark.parametrize("seed", range(12))
def test_sabotage_leaves_a_checkpoint_to_resume_from(tmp_path, seed):
    run = make_run(tmp_path / "run")
    assert sabotage.damage_run(run, random.Random(seed))
    assert checkpoint.load_newest(run / "checkpoints", lambda text: None) is not None


def test_after_each_damage_to_a_finished_run_the_same_command_gives_back_what_it_left(tmp_path, capsys):
    """A kill may come so late that the run is finished; the next start must still find and mend the damage."""
    lane = make_lanes(tmp_path)["supervised"]
    start = lane.arguments(tmp_path)
    assert invoke(finetune, capsys, *start).code == 0
    finished = lane.contents(tmp_path)
    for damage in sabotage.RUN_DAMAGES:
        for seed in (0, 1):
            assert damage(tmp_path / "run", random.Random(seed)), damage.__name__
            assert invoke(finetune, capsys, *start).code == 0
            assert compare(finished, lane.contents(tmp_path)).where == [], damage.__name__
