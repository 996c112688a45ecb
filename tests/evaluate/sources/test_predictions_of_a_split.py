"""Predictions and the ground-truth file of a split: by name, in one array, from a network."""

from __future__ import annotations

import numpy as np
import pytest
from evaluations import evaluate_command
from PIL import Image
from tiny_kitti import DRIVE, assert_refused, write_split, write_weights, write_world

from export_gt import GroundTruth, files
from export_gt.__main__ import ExportConfig, export


@pytest.fixture
def run(capsys, tmp_path):
    return evaluate_command(capsys, tmp_path / "errors.json")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A drive of three frames with ground truth from export_gt, and its depth as predictions."""
    root = tmp_path_factory.mktemp("world")
    split = write_world(root, [0, 1, 2])
    export(ExportConfig(data_path=root, split=str(split)))
    truth = GroundTruth(root / "gt_depths_split.npz")
    (root / "png").mkdir()
    maps = [np.where(truth[frame] > 0, truth[frame], 5).astype(np.float32) for frame in range(3)]
    for frame, depth in enumerate(maps):
        name = f"{DRIVE.split('/')[1]}_{frame:010d}.png"
        Image.fromarray((depth * 256).round().astype(np.uint16)).save(root / "png" / name)
    np.save(root / "depth.npy", np.stack(maps))
    return root


def test_pngs_named_like_kitti_frames_fit_a_split_in_any_order(world, run, tmp_path):
    flags = ("--pred", world / "png", "--data_path", world, "--align", "none")
    outcome, found = run(*flags, "--split", world / "split")
    assert outcome.code == 0, outcome
    # 16-bit PNG rounds to 1/512 m, a thousandth of 2 m
    assert found["evaluated"] == 3 and found["metrics"]["abs_rel"] < 1e-3
    backwards = write_split(tmp_path / "split", [2, 0, 1])
    truth = GroundTruth(world / "gt_depths_split.npz")
    files.write_published(tmp_path / "gt.npz", [truth[index] for index in (2, 0, 1)])
    again = run(*flags, "--split", backwards, "--gt_path", tmp_path / "gt.npz")[1]
    assert again["metrics"]["abs_rel"] == pytest.approx(found["metrics"]["abs_rel"], rel=1e-6)


def test_one_array_may_hold_depth_and_may_be_aligned_per_video(world, run):
    flags = ("--pred", world / "depth.npy", "--data_path", world, "--split", world / "split", "--pred_is", "depth")
    for align in ("none", "median", "scale", "lstsq", "scale_shift_disparity", "per_video"):
        outcome, found = run(*flags, "--align", align)
        assert outcome.code == 0, outcome
        assert found["metrics"]["abs_rel"] == pytest.approx(0, abs=1e-5), align  # float32
        assert found["protocol"]["alignment"] == align


def test_a_network_is_not_aligned_per_video_and_the_advice_works(world, run, tmp_path):
    folder = write_weights(tmp_path / "weights")
    flags = ("--data_path", world, "--split", world / "split")
    net = ("--load_weights", folder, "--model", "lite-mono-tiny", "--png")
    assert_refused(run(*net, *flags, "--align", "per_video")[0], "--align per_video", "--save_pred")
    assert run(*net, *flags, "--save_pred", tmp_path / "saved.npy")[0].code == 0
    assert run("--pred", tmp_path / "saved.npy", *flags, "--align", "per_video")[0].code == 0
