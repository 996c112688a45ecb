"""Folders of PNG, as BTS and DPT write them, judged as the published program judges them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluations import FLOAT32, evaluate_command
from tiny_kitti import assert_refused


@pytest.fixture
def run(capsys, tmp_path):
    return evaluate_command(capsys, tmp_path / "errors.json")


@pytest.fixture(scope="module")
def pngs(parity_supervised) -> Path:
    return parity_supervised / "eval_with_pngs"


@pytest.fixture(scope="module")
def recorded(parity_supervised):
    return json.loads((parity_supervised / "eval_with_pngs.json").read_text())


def mean_of(case: dict) -> dict[str, float]:
    rows = list(case["per_image"].values())
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


KITTI = [
    ("pred=crop --garg_crop --do_kb_crop", ("pred_crop",)),
    ("pred=full --garg_crop", ("pred_full",)),
    ("pred=crop --eigen_crop --do_kb_crop", ("pred_crop", "--crop", "eigen")),
    ("pred=full --eigen_crop", ("pred_full", "--crop", "eigen")),
    ("pred=full", ("pred_full", "--crop", "none")),
]


@pytest.mark.parametrize("cap", [80, 50])
@pytest.mark.parametrize("case, flags", KITTI)
def test_kitti_pngs_have_the_recorded_numbers(pngs, recorded, run, case, flags, cap):
    folder, *crop = flags
    outcome, found = run(
        "--pred", pngs / "kitti" / folder, "--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs", "--cap", cap, *crop
    )  # fmt: skip
    assert outcome.code == 0, outcome
    case = recorded[f"{case} --max_depth_eval {cap}"]
    expected = mean_of(case)
    for name, row in case["per_image"].items():
        index = found["per_image"]["image"].index(f"{name[:26]}/{int(name[27:37])}/l")
        assert {metric: found["per_image"][metric][index] for metric in row} == pytest.approx(row, rel=FLOAT32), name
    assert {name: found["all_metrics"][name] for name in expected} == pytest.approx(expected, rel=FLOAT32)
    assert found["pasted"] == (4 if folder == "pred_crop" else 0) and found["pred_is"] == "depth"


@pytest.mark.parametrize("case, crop", [("nyu --eigen_crop", "nyu"), ("nyu", "none")])
def test_nyu_pngs_have_the_recorded_numbers(pngs, recorded, run, case, crop):
    outcome, found = run("--pred", pngs / "nyu/pred", "--gt_path", pngs / "nyu/gt", "--protocol", "eval-with-pngs",
                         "--cap", 10, "--crop", crop, "--png_factor", 1000)  # fmt: skip
    assert outcome.code == 0, outcome
    expected = mean_of(recorded[case])
    assert {name: found["all_metrics"][name] for name in expected} == pytest.approx(expected, rel=FLOAT32)


def test_nyu_has_its_own_window_and_cap_under_the_same_protocol_name(pngs, recorded, run):
    flags = ("--pred", pngs / "nyu/pred", "--gt_path", pngs / "nyu/gt", "--png_factor", 1000)
    outcome, found = run(*flags, "--protocol", "eval-with-pngs")
    assert outcome.code == 0, outcome
    assert found["all_metrics"]["rmse"] == pytest.approx(mean_of(recorded["nyu --eigen_crop"])["rmse"], rel=FLOAT32)
    assert "protocol eval-with-pngs-nyu: NYU crop, cap 10 m, no alignment" in outcome.out
    outcome, found = run(*flags, "--protocol", "marigold")
    assert outcome.code == 0 and found["protocol"]["name"] == "marigold-nyu"


def test_around_a_pasted_crop_nothing_counts(pngs, run):
    outcome, found = run("--pred", pngs / "kitti/pred_crop", "--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs",
                         "--crop", "none")  # fmt: skip
    assert outcome.code == 0, outcome
    assert np.isfinite(list(found["all_metrics"].values())).all(), "published: infinite, from the zeros around it"
    assert "4 predictions of 352x1216 put in their place; ground truth around them left out" in outcome.out


def test_missing_ground_truth_leaves_a_prediction_out_and_a_missing_prediction_is_named(pngs, recorded, run, tmp_path):
    gt = tmp_path / "gt"
    shutil.copytree(pngs / "kitti/gt", gt)
    case = recorded["one ground truth missing: pred=crop --garg_crop --do_kb_crop"]
    left = {name[:26] for name in case["per_image"]}
    removed = next(drive for drive in gt.iterdir() if drive.name not in left)
    shutil.rmtree(removed)
    flags = ("--gt_path", gt, "--protocol", "eval-with-pngs")
    outcome, found = run("--pred", pngs / "kitti/pred_crop", *flags)
    assert "1 predictions without ground truth left out" in outcome.out
    expected = mean_of(case)
    assert {name: found["all_metrics"][name] for name in expected} == pytest.approx(expected, rel=FLOAT32)
    predictions = tmp_path / "predictions"
    shutil.copytree(pngs / "kitti/pred_crop", predictions)
    gone = next(predictions.glob(f"{sorted(left)[0]}*"))
    gone.unlink()
    assert_refused(
        run("--pred", predictions, *flags)[0], "1 of 3 images have no prediction", sorted(left)[0], "--allow_missing"
    )
    outcome, found = run("--pred", predictions, *flags, "--allow_missing")
    assert found["evaluated"] == 2 and len(found["missing"]) == 1 and found["missing"][0] in outcome.out


def test_a_split_names_the_images_of_a_folder_of_ground_truth(pngs, run, tmp_path):
    (tmp_path / "two").mkdir()
    names = sorted(path.stem for path in (pngs / "kitti/pred_full").glob("*.png"))[:2]
    lines = "".join(f"{name[:10]}/{name[:26]} {int(name[27:37])} l\n" for name in names)
    (tmp_path / "two/test_files.txt").write_text(lines)
    flags = ("--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs", "--split", tmp_path / "two")
    outcome, found = run("--pred", pngs / "kitti/pred_full", *flags)
    assert outcome.code == 0 and found["evaluated"] == 2 and found["unused"] == 2
    (tmp_path / "two/test_files.txt").write_text(lines + "2011_09_26/2011_09_26_drive_0001_sync 7 l\n")
    assert_refused(
        run("--pred", pngs / "kitti/pred_full", *flags)[0], "1 of 3 images", "drive_0001_sync 7 l", "--gt_path"
    )
