"""Predictions in other programs' files: read where their meaning is certain, else refused by what is in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_kitti import assert_refused, invoke, write_weights

from evaluate.__main__ import main
from export_gt import files
from export_gt.__main__ import main as export_main
from litemono.data.splits import SPLITS


@pytest.fixture
def judged(tmp_path, capsys):
    """Evaluate a file against three ground truths; predictions of `truths` are perfect."""
    truths = [np.random.default_rng(n).uniform(2, 60, (40, 80)).astype("f4") for n in range(3)]
    split = tmp_path / "split"
    split.mkdir()
    (split / "test_files.txt").write_text("".join(f"a {n} l\n" for n in range(3)))
    files.write_published(tmp_path / "gt.npz", truths)

    def run(path: Path):
        flags = [
            "--load_pred",
            path,
            "--gt_path",
            tmp_path / "gt.npz",
            "--split",
            split,
            "--output",
            tmp_path / "e.json",
        ]
        outcome = invoke(main, capsys, *flags)
        return outcome, json.loads((tmp_path / "e.json").read_text())["metrics"] if not outcome.code else None

    run.disparities = 1 / np.stack(truths)
    return run


@pytest.mark.parametrize("form", ["npy", "channels first", "channels last", "npz", "npz channels last", "double"])
def test_every_form_of_one_disparity_map_an_image_is_read(judged, tmp_path, form):
    maps = {"channels first": judged.disparities[:, None], "channels last": judged.disparities[..., None]}
    maps |= {"npz channels last": judged.disparities[..., None], "double": judged.disparities.astype("f8")}
    path = tmp_path / ("p.npz" if form.startswith("npz") else "p.npy")
    chosen = maps.get(form, judged.disparities)
    np.savez_compressed(path, data=chosen) if path.suffix == ".npz" else np.save(path, chosen)
    outcome, metrics = judged(path)
    assert outcome.code == 0, outcome.err
    assert metrics["abs_rel"] < 1e-6 and metrics["a1"] == 1


def test_an_archive_of_several_arrays_is_refused_with_their_names(judged, tmp_path):
    np.savez(tmp_path / "p.npz", left=judged.disparities, right=judged.disparities)
    assert_refused(judged(tmp_path / "p.npz")[0], "2 arrays: left, right")
    np.savez(tmp_path / "p.npz")
    assert_refused(judged(tmp_path / "p.npz")[0], "0 arrays")


def test_pixels_without_a_prediction_that_do_not_count_change_nothing(judged, tmp_path):
    np.save(tmp_path / "whole.npy", judged.disparities * 0.8)
    marked = judged.disparities * 0.8
    marked[:, :10], marked[:, :, 78:] = np.nan, np.inf  # outside Garg's crop
    np.save(tmp_path / "marked.npy", marked)
    (_, whole), (outcome, other) = judged(tmp_path / "whole.npy"), judged(tmp_path / "marked.npy")
    assert outcome.code == 0, outcome.err
    assert whole == other
    marked[2, 30, 40] = np.nan
    np.save(tmp_path / "marked.npy", marked)
    assert_refused(judged(tmp_path / "marked.npy")[0], "prediction 2", "not finite")


@pytest.mark.parametrize("scale", [1.0, 1 / 80, 256.0])
def test_depths_given_as_disparities_are_recognised_at_any_scale(judged, tmp_path, scale):
    noise = np.random.default_rng(0).normal(1, 0.2, judged.disparities.shape).clip(0.5, 2)
    np.save(tmp_path / "depths.npy", (scale * noise / judged.disparities).astype("f4"))
    assert_refused(judged(tmp_path / "depths.npy")[0], "depths, not disparities", "save 1 / depth")
    assert not (tmp_path / "e.json").exists()
    np.save(tmp_path / "advice.npy", (judged.disparities / scale / noise).astype("f4"))
    assert judged(tmp_path / "advice.npy")[0].code == 0


def test_a_poor_or_constant_prediction_is_not_taken_for_depth(judged, tmp_path):
    random = np.random.default_rng(0).uniform(0.1, 1, judged.disparities.shape)
    for maps in (random, np.full_like(random, 0.3)):
        np.save(tmp_path / "p.npy", maps)
        assert judged(tmp_path / "p.npy")[0].code == 0


def test_predictions_of_eigens_697_are_judged_on_the_652(tmp_path, capsys):
    ids = np.load(SPLITS / "benchmark" / "eigen_to_benchmark_ids.npy")
    truths = [np.random.default_rng(n).uniform(2, 60, (6, 8)).astype("f4") for n in range(652)]
    files.write_published(tmp_path / "gt.npz", truths)
    maps = np.full((697, 6, 8), 0.05, "f4")
    maps[ids] = 1 / np.stack(truths)
    np.save(tmp_path / "eigen.npy", maps)
    base = ["--gt_path", tmp_path / "gt.npz", "--output", tmp_path / "e.json", "--load_pred", tmp_path / "eigen.npy"]
    outcome = invoke(main, capsys, *base, "--split", "eigen_benchmark")
    assert outcome.code == 0, outcome.err
    metrics = json.loads((tmp_path / "e.json").read_text())["metrics"]
    assert metrics["abs_rel"] < 1e-6 and metrics["a1"] == 1
    np.save(tmp_path / "eigen.npy", maps[:696])
    assert_refused(invoke(main, capsys, *base, "--split", "eigen_benchmark"), "696 disparity maps", "652 test images")


def test_a_split_without_public_truth_is_refused_and_not_offered(tmp_path, capsys):
    base = ["--data_path", tmp_path, "--split", "benchmark"]
    weights = write_weights(tmp_path / "weights")
    for end, more in ((main, ["--load_weights", weights]), (export_main, [])):
        assert_refused(
            invoke(end, capsys, *base, *more), "is not public", "litemono.predict --input", "eigen_benchmark"
        )
        offered = invoke(end, capsys, "--data_path", tmp_path, "--split", "eigne", *more).err
        assert "eigen_benchmark" in offered and " benchmark" not in offered
