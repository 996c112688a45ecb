"""evaluate --against: two results of the same images."""

from __future__ import annotations

import json
import shutil

import pytest
from evaluations import evaluate_command
from tiny_kitti import assert_refused


@pytest.fixture
def run(capsys, tmp_path):
    return evaluate_command(capsys, tmp_path / "errors.json")


@pytest.fixture
def pngs(parity_supervised):
    return parity_supervised / "eval_with_pngs"


def test_two_results_are_compared_image_by_image(pngs, run, tmp_path):
    flags = ("--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs")
    crop = run("--pred", pngs / "kitti/pred_crop", *flags)[1]
    before = tmp_path / "before.json"
    shutil.copy(tmp_path / "errors.json", before)
    outcome, full = run("--pred", pngs / "kitti/pred_full", *flags, "--against", before)
    assert outcome.code == 0, outcome
    gain = crop["all_metrics"]["rmse"] - full["all_metrics"]["rmse"]
    forwards, backwards = ("better", "worse") if gain > 0 else ("worse", "better")
    low, high = sorted((-1 if gain > 0 else 1) * end for end in full["against"]["over_images"]["rmse"])
    said = f"rmse: {abs(gain):.3f} {forwards}, interval {low:.3f} to {high:.3f}"
    assert said in outcome.out and ", 4 images:" in outcome.out
    assert full["against"]["differences"]["rmse"] == pytest.approx(-gain, rel=1e-6)
    low, high = full["intervals"]["images"]["rmse"]
    assert low < full["all_metrics"]["rmse"] < high and f"rmse {low:.3f}-{high:.3f}" in outcome.out
    outcome, _ = run("--pred", pngs / "kitti/pred_crop", *flags, "--against", tmp_path / "errors.json")
    assert f"rmse: {abs(gain):.3f} {backwards}" in outcome.out


def test_results_that_cannot_be_compared_are_refused(pngs, run, tmp_path):
    flags = ("--pred", pngs / "kitti/pred_full", "--gt_path", pngs / "kitti/gt", "--protocol", "eval-with-pngs")
    run(*flags, "--cap", 50)
    other = tmp_path / "other.json"
    shutil.copy(tmp_path / "errors.json", other)
    assert_refused(run(*flags, "--against", other)[0], "--against", "other.json", "cap 50.0, not 80.0")
    run(*flags)
    shutil.copy(tmp_path / "errors.json", other)
    assert run(*flags, "--against", other)[0].code == 0, "both by one protocol"
    found = json.loads((tmp_path / "errors.json").read_text())
    cases = [
        ({"per_image": {}}, "evaluate its predictions again"),
        ({"per_image": {**found["per_image"], "image": ["x/1", "x/2", "x/3", "x/4"]}}, "no image in common"),
        ({"metrics": {}}, "not a result of evaluate"),
        ({"protocol": {**found["protocol"], "name": "mine"}}, "not a result of evaluate"),
        ({"per_image": {**found["per_image"], "rmse": [1.0]}}, "not a result of evaluate"),
    ]
    for edit, words in cases:
        other.write_text(json.dumps({**found, **edit}))
        assert_refused(run(*flags, "--against", other)[0], "--against", "other.json", words)
    other.write_text(json.dumps(found))
    assert run(*flags, "--against", other)[0].code == 0, "evaluated again, of the same images"
    assert_refused(run(*flags, "--against", tmp_path / "nowhere.json")[0], "nowhere.json", "no such file")
