"""Edge accuracy and completeness: by hand, against scikit-image's detector, and through the command."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import feature
from tiny_kitti import invoke

from evaluate.__main__ import main
from evaluate.protocol import Protocol
from evaluate.scoring.edges import FAR, edge_errors, edges
from evaluate.scoring.metrics import depth_metrics, table_of
from evaluate.scoring.one_image import score_image


def wall(column: int, near: float = 5.0, far: float = 20.0) -> np.ndarray:
    """(40, 60): near on the left of the column, far from it on."""
    depth = np.full((40, 60), far, np.float32)
    depth[:, :column] = near
    return depth


def test_a_perfect_prediction_and_a_scaled_one_have_no_error():
    assert edge_errors(wall(30), wall(30)) == edge_errors(wall(30), 3 * wall(30)) == (0, 0)


def test_an_edge_beside_its_place_is_as_far_as_it_is():
    assert edge_errors(wall(30), wall(33)) == (3, 3)


def test_a_missing_and_an_invented_edge():
    truth, only_one = wall(20), wall(20)
    truth[:, 50:] = 80
    assert edge_errors(truth, only_one) == (0, 5), "half of the true edges are 30 pixels away, which counts as 10"
    assert edge_errors(only_one, truth) == (0, 0), "an edge far from any true one is not judged"
    assert edge_errors(truth, np.full_like(truth, 7)) == (FAR, FAR)


def test_truth_without_edges_has_no_score():
    assert all(math.isnan(value) for value in edge_errors(np.full((40, 60), 9, np.float32), wall(30)))


def test_edges_beside_holes_of_the_truth_are_left_out():
    truth, predicted = wall(30), wall(30)
    truth[10:30, 36:50] = 0
    predicted[10:30, 36:50] = 1000
    assert edge_errors(truth, predicted) == (0, 0)


def test_the_detector_agrees_with_scikit_image():
    """Both thin edges to one pixel, by other interpolation: all but a few per cent lie within a pixel of each other."""
    rng = np.random.default_rng(0)
    depth = ndimage.gaussian_filter(rng.uniform(2, 60, (120, 200)), 6)
    depth = np.where(depth > depth.mean(), depth, depth / 3)
    log_depth = np.log(depth).astype(np.float32)
    ours, theirs = edges(log_depth), feature.canny(log_depth, sigma=1, low_threshold=0.1, high_threshold=0.2)
    assert ours.sum() > 500
    for one, other in ((ours, theirs), (theirs, ours)):
        assert (ndimage.distance_transform_edt(~other)[one] < 1.5).mean() > 0.97


def test_only_dense_truth_has_edges():
    truth, prediction = wall(30), 1 / wall(33)
    metrics = score_image(truth, prediction, Protocol(crop="none")).metrics
    assert (metrics["edge_acc"], metrics["edge_comp"]) == (3, 3)
    truth[np.random.default_rng(0).uniform(size=truth.shape) < 0.9] = 0
    assert math.isnan(score_image(truth, prediction, Protocol(crop="none")).metrics["edge_acc"])


@pytest.mark.parametrize("per_pixel", [False, True])
def test_images_without_edges_do_not_reach_the_mean(per_pixel):
    rows = [depth_metrics(np.array([10.0]), np.array([11.0])) for _ in range(3)]
    assert "edge_acc" not in table_of(rows, [1, 1, 1]).mean(per_pixel)
    rows[0]["edge_acc"], rows[2]["edge_acc"] = 2.0, 4.0
    assert table_of(rows, [1, 5, 9]).mean(per_pixel)["edge_acc"] == 3


def test_the_command_prints_and_stores_them_where_the_truth_is_dense(capsys, tmp_path):
    for name in ("gt", "pred"):
        (tmp_path / name).mkdir()
    for index, shift in enumerate((1, 3)):
        Image.fromarray((wall(30) * 256).astype(np.uint16)).save(tmp_path / f"gt/{index}.png")
        Image.fromarray((wall(30 + shift) * 256).astype(np.uint16)).save(tmp_path / f"pred/{index}.png")
    Image.fromarray(np.full((40, 60), 2560, np.uint16)).save(tmp_path / "gt/2.png")
    Image.fromarray(np.full((40, 60), 2600, np.uint16)).save(tmp_path / "pred/2.png")

    def run(name, *more):
        files = ["--pred", tmp_path / "pred", "--gt_path", tmp_path / "gt", "--output", tmp_path / name]
        outcome = invoke(main, capsys, *files, "--crop", "none", *more)
        assert outcome.code == 0, outcome
        return outcome.out, json.loads((tmp_path / name).read_text())

    out, found = run("a.json")
    assert "edges: accuracy 2.00 px, completeness 2.00 px" in out
    assert found["all_metrics"]["edge_acc"] == 2 and found["per_image"]["edge_comp"] == [1, 3, None]
    low, high = found["intervals"]["images"]["edge_acc"]
    assert 1 <= low < 2 < high <= 3
    _, again = run("b.json", "--against", tmp_path / "a.json")
    assert again["against"]["differences"]["edge_acc"] == 0
