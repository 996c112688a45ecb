"""Predictions that cannot be judged are refused by their names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluations import DEPTH, evaluate_command
from PIL import Image
from tiny_kitti import assert_refused


@pytest.fixture
def run(capsys, tmp_path):
    return evaluate_command(capsys, tmp_path / "errors.json")


@pytest.fixture
def pair(tmp_path):
    """Ground truth of two images and perfect predictions, as folders of .npy and of .png."""
    rng = np.random.default_rng(0)
    for frame in range(2):
        depth = rng.uniform(1, 70, (30, 100)).astype(np.float32)
        for folder, values in (("gt", depth), ("npy", depth)):
            (tmp_path / folder).mkdir(exist_ok=True)
            np.save(tmp_path / folder / f"{frame}.npy", values)
        (tmp_path / "png").mkdir(exist_ok=True)
        Image.fromarray((depth * 256).astype(np.uint16)).save(tmp_path / "png" / f"{frame}.png")
    return tmp_path


def change(path: Path, edit) -> None:
    values = np.load(path)
    np.save(path, edit(values))


@pytest.mark.parametrize(
    "edit, words",
    [
        (lambda d: d * 0, ["0 everywhere"]),
        (lambda d: np.where(d > 60, np.nan, d), ["not finite"]),
        (lambda d: np.where(d > 60, np.inf, d), ["not finite"]),
        (lambda d: -d, ["negative"]),
        (lambda d: d * 20000, ["median depth", "--png_factor"]),
        (lambda d: d[:, :50], ["30x50", "30x100"]),
        (lambda d: np.stack([d, d, d]), ["not one map"]),
        (lambda d: d.astype(complex), ["not one map"]),
    ],
)
def test_predictions_that_are_none_are_refused_by_their_name(pair, run, edit, words):
    change(pair / "npy/1.npy", edit)
    assert_refused(run("--pred", pair / "npy", "--gt_path", pair / "gt", *DEPTH)[0], "1.npy", *words)


def test_flags_that_do_not_fit_the_data_are_refused(pair, run, parity_supervised, tmp_path):
    gt = ("--gt_path", pair / "gt")
    tum = parity_supervised / "mini_midas/tum/rgbd_dataset_freiburg2_desk_with_person"
    (tmp_path / "empty").mkdir()
    cases = [
        (["--pred", pair / "npy", *gt], ["--pred_is", "disparity"]),
        (["--pred", tmp_path / "nowhere", *gt], ["--pred", "nowhere"]),
        (["--pred", tmp_path / "empty", *gt], ["--pred", "empty", ".pfm"]),
        (["--pred", pair / "npy", *DEPTH, "--gt_path", tmp_path / "empty"], ["--gt_path", "empty"]),
        (["--pred", pair / "png", *gt, "--png_factor", 0], ["--png_factor 0"]),
        (["--pred", pair / "png", *gt, "--png_factor", 0.01, "--align", "none"], ["--png_factor", "0.png"]),
        (["--pred", pair / "npy", *gt, "--pred_is", "relative"], ["--align scale_shift_disparity"]),
        (["--pred", pair / "png", *gt, "--pred_crop", "kb"], ["0.png", "30x100", "--pred_crop"]),
        (["--pred", pair / "png", *gt, "--occluded", "leave_out"], ["--occluded"]),
        (["--pred", pair / "png", "--gt_path", tum], ["--protocol eigen", "TUM", "midas-tum"]),
        (["--pred", pair / "png", "--gt_path", pair / "png", "--gt_factor", 0.01], ["--gt_factor 0.01", "0.png"]),
        (["--pred", pair / "png/0.png", *gt], ["1 of 2 images have no prediction"]),
    ]
    for args, words in cases:
        assert_refused(run(*args)[0], *words)


def test_names_that_fit_more_than_one_image_are_called_ambiguous(pair, run, tmp_path):
    for name in "ab":
        shutil.copytree(pair / "png", tmp_path / "copies" / name)
    words = ["--pred", "ambiguous names: a/0.png and b/0.png fit 0.npy"]
    assert_refused(run("--pred", tmp_path / "copies", "--gt_path", pair / "gt")[0], *words)
    for name in "ab":
        shutil.copytree(pair / "gt", tmp_path / "truths" / name)
    words = ["ambiguous names: 0.png fits a/0.npy and b/0.npy"]
    assert_refused(run("--pred", pair / "png", "--gt_path", tmp_path / "truths")[0], *words)


def test_disparities_given_as_depths_are_recognised_and_the_advice_works(pair, run):
    for frame in range(2):
        change(pair / f"npy/{frame}.npy", lambda d: 1 / d)
    flags = ("--pred", pair / "npy", "--gt_path", pair / "gt", "--crop", "none")
    assert_refused(run(*flags, "--pred_is", "depth")[0], "disparities, not depths", "--pred_is disparity")
    assert run(*flags, "--pred_is", "disparity")[1]["metrics"]["abs_rel"] < 1e-5


def test_files_that_cannot_be_read_are_refused_by_their_name(pair, run):
    (pair / "npy/1.npy").write_bytes(b"no array")
    assert_refused(run("--pred", pair / "npy", "--gt_path", pair / "gt", *DEPTH)[0], "npy/1.npy", "not a readable")
    (pair / "gt/0.npy").write_bytes(b"no array")
    assert_refused(run("--pred", pair / "png", "--gt_path", pair / "gt", *DEPTH)[0], "gt/0.npy", "not a readable")
    np.savez(pair / "all.npz", a=np.ones((2, 2)), b=np.ones(3))
    assert_refused(run("--pred", pair / "all.npz", "--gt_path", pair / "png", *DEPTH)[0], "all.npz", "no name fits")


def test_ground_truth_without_a_valid_pixel_is_left_out_and_refused_if_it_is_all(pair, run):
    change(pair / "gt/0.npy", lambda d: d * np.nan)
    outcome, found = run("--pred", pair / "png", "--gt_path", pair / "gt", *DEPTH)
    assert outcome.code == 0 and (found["evaluated"], found["skipped"]) == (1, ["0.npy"])
    assert "1 images without valid ground truth left out: 0.npy" in outcome.out
    change(pair / "gt/1.npy", lambda d: d * 0)
    assert_refused(
        run("--pred", pair / "png", "--gt_path", pair / "gt", *DEPTH)[0], "no image has a pixel", "--gt_path"
    )
