"""The trainer as its user meets it: what a run leaves behind, and its options."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_kitti import assert_refused, invoke
from trainings import (
    EPOCH_STEPS,
    EPOCHS,
    assert_same_training,
    final_state,
    flags,
    scalars,
    settings,
)

from litemono.engine.tensorboard import events_in
from litemono.train import main, train
from litemono.utils.cli import TOO_MANY_BAD_STEPS
from litemono.utils.errors import UserError
from networks import weights

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_run_leaves_weights_curves_and_a_finished_status(uninterrupted):
    for name in ("weights_0", "weights_1", "last", "best_loss"):
        names = {path.name for path in (uninterrupted / "models" / name).iterdir()}
        assert {"encoder.pth", "depth.pth", "pose_encoder.pth", "pose.pth"} <= names
    status = json.loads((uninterrupted / "status.json").read_text())
    assert status["state"] == "finished" and status["step"] == status["total_steps"] == EPOCHS * EPOCH_STEPS
    assert status["final"] is True and status["exit"] == 0
    assert [step for step, _ in scalars(uninterrupted / "train", "loss")] == list(range(1, EPOCHS * EPOCH_STEPS + 1))
    assert [step for step, _ in scalars(uninterrupted / "val", "loss")] == [EPOCH_STEPS, 2 * EPOCH_STEPS]
    tags = {value.tag for event in events_in(uninterrupted / "val") for value in event.summary.value}
    assert {"color_0_0/0", "color_pred_0_0/0", "disp_0/0", "automask_0/0"} <= tags


def test_the_best_weights_are_those_of_the_epoch_with_the_lowest_validation_loss(uninterrupted):
    losses = [
        json.loads((uninterrupted / "models" / f"weights_{epoch}" / "validation.json").read_text())["validation"][
            "loss"
        ]
        for epoch in range(EPOCHS)
    ]
    best = json.loads((uninterrupted / "models" / "best_loss" / "validation.json").read_text())
    assert best["epoch"] == losses.index(min(losses))


def test_the_batches_of_a_validation_make_up_its_results(uninterrupted):
    folder = uninterrupted / "models/last"
    results, parts = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("validation", "validation_batches")
    )
    assert parts["batches"].keys() == results["validation"].keys() and len(parts["batches"]["loss"]) > 1
    for name, batches in parts["batches"].items():
        totals, samples = zip(*batches, strict=True)
        assert sum(totals) / sum(samples) == pytest.approx(results["validation"][name], rel=1e-12)
    assert results["task"] == "Monodepth" and results["better"] == {"loss": "lower", "de/abs_rel": "lower"}


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(street, tmp_path, uninterrupted):
    train(settings(street, tmp_path, "same"))
    assert_same_training(uninterrupted, tmp_path / "same")
    train(settings(street, tmp_path, "other", run={"seed": 1}))
    assert scalars(tmp_path / "other" / "train", "loss") != scalars(uninterrupted / "train", "loss")


def test_accumulated_parts_make_as_many_steps_at_the_same_rates(street, tmp_path):
    train(settings(street, tmp_path, "whole", optim={"batch_size": 4}))
    train(settings(street, tmp_path, "parts", optim={"batch_size": 4, "accumulate": 2}))
    whole, parts = final_state(tmp_path / "whole"), final_state(tmp_path / "parts")
    assert whole["progress"]["step"] == parts["progress"]["step"] == 2 * EPOCHS
    assert whole["optimizers"][0]["param_groups"][0]["lr"] == parts["optimizers"][0]["param_groups"][0]["lr"]


@pytest.mark.parametrize(
    "loss",
    [
        {"use_stereo": True},
        {"use_stereo": True, "frame_ids": (0,)},
        {"avg_reprojection": True},
        {"v1_multiscale": True},
        {"disable_automasking": True},
        {"no_ssim": True},
        {"scales": (0,)},
    ],
    ids=lambda loss: "+".join(loss),
)
def test_every_loss_option_trains(street, tmp_path, loss):
    assert train(settings(street, tmp_path, loss=loss, run={"max_steps": 2})) == 0
    pose = {"pose_encoder.pth", "pose.pth"} & {p.name for p in (tmp_path / "run" / "models" / "last").iterdir()}
    assert bool(pose) == (loss.get("frame_ids") != (0,)), "stereo-only training has no pose network"


@pytest.mark.parametrize("loss", [{}, {"v1_multiscale": True, "use_stereo": True}], ids=["default", "v1_multiscale"])
def test_images_of_any_size_train_and_resume_to_the_same_bits(street, tmp_path, loss):
    """122x38 halves to 61x19 and 30x9."""
    odd = {"height": 38, "width": 122}
    for name, stops in (("whole", (3,)), ("parts", (1, 3))):
        for max_steps in stops:
            config = settings(street, tmp_path, name, model=odd, loss=loss, run={"max_steps": max_steps})
            assert train(config) == 0
    whole, parts = (final_state(tmp_path / name)["networks"] for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    depth = weights.load_depth(tmp_path / "whole" / "models" / "last", "lite-mono-tiny")
    assert (depth.height, depth.width) == (38, 122)


def test_steps_that_are_not_finite_are_skipped_and_stop_the_run_after_some_in_a_row(street, tmp_path, capsys):
    status = train(settings(street, tmp_path, optim={"lr": (1e30,), "max_bad_steps": 2}))
    assert status == TOO_MANY_BAD_STEPS
    assert "2 steps in a row" in capsys.readouterr().out
    ended = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (ended["state"], ended["final"], ended["exit"]) == ("failed", True, TOO_MANY_BAD_STEPS)


@pytest.mark.parametrize("accumulate, advice", [(1, "--accumulate 2 instead of 1"), (2, "only a smaller --height")])
def test_too_little_memory_names_a_way_out_that_is_one(street, tmp_path, monkeypatch, accumulate, advice):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    monkeypatch.setattr("litemono.engine.training.train_step", full)
    with pytest.raises(UserError, match=f"out of memory; .*{advice}"):
        train(settings(street, tmp_path, optim={"accumulate": accumulate}))
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("failed", True, 2), "the job must not be requeued"


def test_too_little_memory_for_the_networks_alone_is_told_in_the_same_words(street, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    monkeypatch.setattr("litemono.tasks.monodepth.task.Monodepth.build", full)
    with pytest.raises(UserError, match="out of memory; the same command with --accumulate 2"):
        train(settings(street, tmp_path))
    assert not (tmp_path / "run").exists()


def test_any_folder_of_frames_trains_with_its_own_camera(street, tmp_path, capsys):
    frames = next(street.rglob("image_02/data"))
    base = [*flags(frames, tmp_path), "--dataset", "frames", "--split", "None", "--max_steps", "2", "--batch_size", "1"]
    assert invoke(main, capsys, *base, "--intrinsics", "40,41,32,16").code == 0
    assert (tmp_path / "run" / "models" / "last" / "depth.pth").is_file()
    assert_refused(invoke(main, capsys, *base, "--model_name", "other"), "--intrinsics fx,fy,cx,cy", "intrinsics.txt")
    copy = Path(shutil.copytree(frames, tmp_path / "video"))
    (copy / "intrinsics.txt").write_text("40 41 32 16\n")  # the advice of this error
    assert invoke(main, capsys, *base, "--data_path", copy, "--model_name", "stated").code == 0


def test_odometry_sequences_train_with_their_calibration(street, tmp_path, capsys):
    sequence = tmp_path / "odometry" / "sequences" / "00"
    (sequence / "image_2").mkdir(parents=True)
    for frame in next(street.rglob("image_02/data")).iterdir():
        shutil.copy(frame, sequence / "image_2" / f"{int(frame.stem):06d}.png")
    (sequence / "calib.txt").write_text("P2: 40 0 32 0 0 41 16 0 0 0 1 0\n")
    for which in ("train", "val"):
        (tmp_path / f"{which}_files.txt").write_text("".join(f"0 {frame} l\n" for frame in range(1, 6)))
    base = [*flags(tmp_path / "odometry", tmp_path / "runs"), "--dataset", "kitti_odom", "--split", tmp_path]
    assert invoke(main, capsys, *base, "--intrinsics", "calib", "--max_steps", "1").code == 0
