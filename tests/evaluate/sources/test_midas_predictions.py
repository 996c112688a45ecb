"""Relative depth on KITTI, TUM, Sintel and ETH3D, judged as MiDaS is."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from evaluations import evaluate_command
from tiny_kitti import assert_refused


@pytest.fixture
def run(capsys, tmp_path):
    return evaluate_command(capsys, tmp_path / "errors.json")


@pytest.fixture(scope="module")
def midas(parity_supervised):
    folder = parity_supervised
    return (
        folder / "mini_midas",
        folder / "mini_midas_predictions.npz",
        json.loads((folder / "mini_midas.json").read_text()),
    )


def expected_mean(midas, data: str, reading: str | None = None) -> float:
    found = {name: value for name, value in midas[2]["same_metric_correct_reading"].items() if name.startswith(data)}
    return float(np.mean([value[reading] if reading else value for value in found.values()]))


TUM = "tum/rgbd_dataset_freiburg2_desk_with_person"


@pytest.mark.parametrize(
    "folder, flags, metric, reading",
    [
        ("kitti", ("midas-kitti",), "bad_125", "mask_all_measured"),
        (TUM, ("midas-tum",), "bad_125", None),
        ("sintel", ("midas-sintel",), "abs_rel", "all_pixels_below_72"),
        ("sintel", ("midas-sintel", "--occluded", "leave_out"), "abs_rel", "black_occlusion_pixels_below_72"),
    ],
)
def test_midas_zero_shot_numbers_are_those_of_a_correct_reading(midas, run, folder, flags, metric, reading):
    outcome, found = run(
        "--pred", midas[1], "--pred_is", "relative", "--gt_path", midas[0] / folder, "--protocol", *flags
    )
    assert outcome.code == 0, outcome
    expected = expected_mean(midas, folder.split("/")[0], reading)
    assert found["all_metrics"][metric] == pytest.approx(expected, rel=1e-5)  # float32 predictions
    assert f"protocol {flags[0]}" in outcome.out


def test_tum_pairs_are_made_where_there_is_no_list_of_them(midas, run, tmp_path):
    root = tmp_path / "tum"
    shutil.copytree(midas[0] / TUM, root)
    (root / "associate.txt").unlink()
    flags = ("--pred", midas[1], "--pred_is", "relative", "--gt_path", root, "--protocol", "midas-tum")
    outcome, found = run(*flags)
    assert outcome.code == 0 and found["evaluated"] == 3
    assert found["all_metrics"]["bad_125"] == pytest.approx(expected_mean(midas, "tum"), rel=1e-5)


def test_eth3d_has_numbers_under_the_names_of_photos(run, tmp_path):
    """As downloaded: float32 without a header, infinite where nothing was measured."""
    place = tmp_path / "gt/courtyard/ground_truth_depth/dslr_images/DSC_0286.JPG"
    place.parent.mkdir(parents=True)
    measured = np.full((8, 6048), np.inf, "<f4")
    measured[:, ::3] = np.linspace(2, 30, 2016, dtype="f4")
    with open(place, "wb") as file:
        file.write(measured.tobytes())
        file.truncate(4 * 4032 * 6048)
    (tmp_path / "gt/courtyard/images/dslr_images").mkdir(parents=True)
    (tmp_path / "gt/courtyard/images/dslr_images/DSC_0286.JPG").write_bytes(b"a photo")
    (tmp_path / "pred/courtyard").mkdir(parents=True)
    shade = 1 / np.linspace(2, 30, 6048, dtype="f4")
    np.save(tmp_path / "pred/courtyard/DSC_0286.npy", np.broadcast_to(0.3 * shade + 0.2, (4032, 6048))[::8, ::8])
    flags = ("--pred", tmp_path / "pred", "--pred_is", "relative", "--gt_path", tmp_path / "gt")
    outcome, found = run(*flags, "--protocol", "midas-eth3d")
    assert outcome.code == 0, outcome
    assert found["per_image"]["pixels"] == [8 * 2016] and found["all_metrics"]["abs_rel"] < 0.01
    assert_refused(run(*flags)[0], "ETH3D's layout", "midas-eth3d or marigold-eth3d or depth-anything")
    with open(place, "ab") as file:
        file.write(b"more")
    assert_refused(run(*flags, "--protocol", "midas-eth3d")[0], "DSC_0286.JPG", "4032x6048")


def test_one_fit_per_video_is_another_number_than_one_per_image(midas, run):
    flags = (
        "--pred",
        midas[1],
        "--pred_is",
        "relative",
        "--gt_path",
        midas[0] / "sintel",
        "--protocol",
        "midas-sintel",
    )
    per_image, per_video = run(*flags)[1], run(*flags, "--align", "per_video")[1]
    assert per_image["all_metrics"]["abs_rel"] != per_video["all_metrics"]["abs_rel"]
    assert per_video["protocol"]["alignment"] == "per_video"
