"""Training on masks and depth as its user meets it: the engine's resume, jobs and sweeps, and refusals in one sentence."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from composites import SIZE, write_small
from PIL import Image
from tiny_kitti import assert_refused, invoke
from trainings import assert_same_training, complete, kill_at_step, scalars

from litemono import prepare, submit
from litemono.engine.tensorboard import events_in
from litemono.segment import main

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory) -> Path:
    """16 pictures of 4 backgrounds."""
    return write_small(tmp_path_factory.mktemp("segment") / "rooms")


def flags(data: Path, log_dir: Path, name: str = "run") -> list[str]:
    """12 samples, 2 epochs of 3 steps."""
    text = (
        f"--data_path {data} --height {SIZE[0]} --width {SIZE[1]} --num_workers 0 --batch_size 4 --num_epochs 2 "
        f"--log_dir {log_dir} --model_name {name} --device cpu --log_every 1 --checkpoint_minutes 0 --ssim_window 5"
    )
    return text.split()


@pytest.fixture(scope="module")
def uninterrupted(rooms, tmp_path_factory) -> Path:
    log_dir = tmp_path_factory.mktemp("runs")
    complete(main, [*flags(rooms, log_dir), "--combine", "uncertainty", "--depth_loss", "ssim"])
    return log_dir / "run"


def test_a_run_leaves_weights_curves_and_a_finished_status(uninterrupted):
    for name in ("weights_0", "weights_1", "last", "best_loss", "best_mask_iou"):
        assert {"model.pt", "network.json"} <= {path.name for path in (uninterrupted / "models" / name).iterdir()}
    status = json.loads((uninterrupted / "status.json").read_text())
    assert status["state"] == "finished" and status["step"] == status["total_steps"] == 6
    for tag in ("loss/mask", "loss/depth"):
        assert [step for step, _ in scalars(uninterrupted / "train", tag)] == list(range(1, 7))
    for tag in ("mask_accuracy", "depth_accuracy", "mask_ssim", "depth_ssim", "mask_iou", "depth_mae"):
        assert [step for step, _ in scalars(uninterrupted / "val", tag)] == [3, 6]


def test_a_killed_run_ends_with_the_bits_of_an_uninterrupted_one(rooms, tmp_path, uninterrupted):
    arguments = [*flags(rooms, tmp_path), "--combine", "uncertainty", "--depth_loss", "ssim"]
    kill_at_step(2, "litemono.segment", arguments, tmp_path / "run")
    complete(main, arguments)
    assert_same_training(uninterrupted, tmp_path / "run")


def test_a_pack_trains_to_the_same_bits_as_its_files(rooms, tmp_path, capsys):
    done = invoke(
        prepare.main, capsys, "pack-composites", "--from", rooms, "--output", tmp_path / "packed", "--size", "48x32"
    )
    assert done.code == 0 and "16 pictures at 48x32" in done.out
    done = invoke(prepare.main, capsys, "verify", "--data_path", tmp_path / "packed")
    assert done.code == 0 and "16 pictures at 48x32" in done.out and "all are there and whole" in done.out
    assert_refused(invoke(prepare.main, capsys, "verify", "--data_path", rooms, "--deep"), "--num_workers alone")
    for data, name in ((rooms, "files"), (tmp_path / "packed", "packed")):
        outcome = invoke(main, capsys, *flags(data, tmp_path, name), "--max_steps", 2, "--combine", "roots")
        assert outcome.code == 0, outcome.err
    ours, theirs = (
        torch.load(tmp_path / name / "models/last/model.pt", weights_only=True) for name in ("files", "packed")
    )
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_pack_may_be_a_link_that_points_nowhere_yet_but_not_the_folder_one_is_in(
    rooms, tmp_path, monkeypatch, capsys
):
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    monkeypatch.chdir(tmp_path / "here")
    packing = ("pack-composites", "--from", rooms, "--size", "48x32", "--output")
    assert_refused(invoke(prepare.main, capsys, *packing, "."), "--output .: is the folder you are in")
    assert invoke(prepare.main, capsys, *packing, "../link").code == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "elsewhere/composites.json").is_file()


def test_submit_and_sweep_take_the_command_and_its_flags(rooms, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("litemono.jobs.slurm.available", lambda: False)
    sweep = ["--dry_run", "--sweep", "mask_loss=bce,ssim", "combine=weighted,roots"]
    done = invoke(submit.main, capsys, "segment", *flags(rooms, tmp_path), *sweep)
    assert done.code == 0 and "--array=0-3" in done.out, done.err
    done = invoke(submit.main, capsys, "segment", *flags(rooms, tmp_path), "--max_steps", 1, "--cluster", "debug")
    assert done.code == 0 and "finished: weights in" in done.out, done.err


def test_profile_says_how_long_a_step_waits_for_data(rooms, tmp_path, capsys):
    done = invoke(main, capsys, *flags(rooms, tmp_path), "--num_epochs", 4, "--profile", 3)
    assert done.code == 0, done.err
    summary = (tmp_path / "run/profile/summary.txt").read_text()
    assert re.search(r"Waiting for data: [\d.]+% of the time", summary)
    table = (tmp_path / "run/profile/table.md").read_text()
    for part in ("waiting for data", "augmentation", "network", "objective", "backward", "optimisers"):
        assert re.search(rf"^\| {part} \| [\d.]+ \|", table, re.MULTILINE), table
        assert part in summary or part == "waiting for data"


def test_tensorboard_has_picture_prediction_truth_and_error_side_by_side(uninterrupted):
    values = [value for event in events_in(uninterrupted / "val") for value in event.summary.value]
    images = [value for value in values if value.tag in ("mask/0", "depth/0")]
    assert {value.tag for value in images} == {"mask/0", "depth/0"}
    assert all((value.image.height, value.image.width) == (SIZE[0], 4 * SIZE[1]) for value in images)


def test_the_u_net_trains_from_scratch_and_says_where_its_imagenet_weights_come_from(
    rooms, tmp_path, capsys, monkeypatch
):
    u_net = [*flags(rooms, tmp_path), "--model", "unet-resnet18", "--max_steps", 1]
    monkeypatch.setattr("networks.imagenet.find_pose_imagenet", lambda layers: None)
    assert_refused(invoke(main, capsys, *u_net), "litemono.prepare weights", "--weights_init scratch")
    done = invoke(main, capsys, *u_net, "--weights_init", "scratch")
    assert done.code == 0 and "unet-resnet18 48x32" in done.out, done.err
    started = invoke(main, capsys, *u_net, "--model_name", "next", "--load_weights", tmp_path / "run/models/last")
    assert started.code == 0, started.err
    wrong = invoke(main, capsys, *flags(rooms, tmp_path, "other"), "--load_weights", tmp_path / "run/models/last")
    assert_refused(wrong, "has the weights of unet-resnet18: --model unet-resnet18")


def spoil_mask(root: Path) -> None:
    for path in (root / "mask").iterdir():
        Image.fromarray(np.resize(np.array([0, 17, 128, 255], np.uint8), SIZE)).save(path)


def drop_background(root: Path) -> None:
    (root / "bg/img_003.png").unlink()


def shrink(root: Path) -> None:
    for path in (root / "fgbg").iterdir():
        Image.open(path).resize((40, 30)).save(path)


def leave_one_background(root: Path) -> None:
    for path in [*root.rglob("fg*.png")]:
        if "_bg001_" not in path.name:
            path.unlink()


def rename(root: Path) -> None:
    (root / "depth/fg001_bg001_00.png").rename(root / "depth/fg001_bg001_99.png")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_mask, ("mask/fg", "a mask has two values", "its values are 0, 17, 128, 255")),
        (drop_background, ("fgbg/fg001_bg003_00.png", "there is no background 3", "bg")),
        (shrink, ("fgbg/fg", "40x30", "its background", "48x32")),
        (leave_one_background, ("1 background", "the validation part would be empty", "at least 2 backgrounds")),
        (rename, ("depth: has no file for 1 of 16 names", "the first is fg001_bg001_00")),
    ],
)
def test_bad_data_is_one_sentence_before_a_run_begins(rooms, tmp_path, capsys, spoil, words):
    copy = shutil.copytree(rooms, tmp_path / "copy")
    spoil(copy)
    assert_refused(invoke(main, capsys, *flags(copy, tmp_path / "runs")), *words)
    assert not list((tmp_path / "runs").rglob("checkpoints"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--data_path", "nowhere"), ("--data_path nowhere", "litemono.synthetic composites")),
        (("--combine", "roots", "--mask_weight", 2), ("--mask_weight 2.0", "--combine weighted")),
        (("--ssim_window", 4), ("--ssim_window 4", "odd")),
        (("--val_share", 1.0), ("--val_share 1.0",)),
        (("--mask_similarity", 1.5), ("--mask_similarity 1.5",)),
        (("--height", 16), ("--height 16", "at least 32")),
        (("--mask_weight", 0, "--depth_weight", 0), ("nothing would be trained",)),
        (("--load_weights", "nowhere"), ("--load_weights nowhere",)),
        (("--batch_size", 13), ("12 samples are too few", "--batch_size")),
    ],
)
def test_impossible_flags_are_refused(rooms, tmp_path, capsys, wrong, words):
    assert_refused(invoke(main, capsys, *flags(rooms, tmp_path), *wrong), *words)
