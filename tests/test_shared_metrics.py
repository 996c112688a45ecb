"""Depth errors against recorded numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litemono.geometry import disp_to_depth
from litemono.metrics import METRIC_NAMES, Errors, compute_errors
from litemono.tasks.monodepth.metrics import train_depth_errors


@pytest.fixture(scope="module")
def expected(parity: Path) -> dict[str, Any]:
    return json.loads((parity / "eval.json").read_text())


@pytest.fixture(scope="module")
def arrays(parity: Path) -> dict[str, np.ndarray]:
    with np.load(parity / "eval.npz") as file:
        return dict(file)


def assert_errors(actual: Errors, wanted: dict[str, float], tolerance: float) -> None:
    for name, value in actual._asdict().items():
        assert float(value) == pytest.approx(wanted[name], rel=tolerance), name


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_errors_equal_the_published_ones(expected, arrays, convert):
    errors = compute_errors(convert(arrays["errors_gt"]), convert(arrays["errors_pred"]))
    assert_errors(errors, expected["compute_errors_float64"], 1e-9)  # float64, the order of additions


def test_float32_depths_stay_float32(expected, arrays):
    errors = compute_errors(arrays["errors_gt"].astype(np.float32), arrays["errors_pred"].astype(np.float32))
    # 1e-6: float32 sums of 5000 values; recorded the same way but perhaps added in another order.
    assert_errors(errors, expected["compute_errors_float32"], 1e-6)


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor], ids=["numpy", "torch"])
def test_a_ratio_of_exactly_the_limit_is_not_below_it(expected, convert):
    edge = expected["threshold_edge"]
    gt, pred = (convert(np.array(edge[name])) for name in ("gt", "pred"))
    assert_errors(compute_errors(gt, pred), edge, 1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.1, 80), min_size=1, max_size=20), st.floats(0.2, 5))
def test_errors_of_scaled_depth_follow_the_scale(depths, factor):
    gt = np.array(depths)
    perfect, scaled = compute_errors(gt, gt), compute_errors(gt, gt * factor)
    assert tuple(perfect) == (0, 0, 0, 0, 1, 1, 1)
    assert scaled.abs_rel == pytest.approx(abs(factor - 1), abs=1e-9)
    assert scaled.rmse_log == pytest.approx(abs(np.log(factor)), abs=1e-9)
    assert scaled.a1 <= scaled.a2 <= scaled.a3


def first_image(arrays: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    truth = torch.zeros(*arrays["eval_gt0_shape"])
    truth[tuple(torch.from_numpy(arrays["eval_gt0_yx"].astype(np.int64)))] = torch.from_numpy(arrays["eval_gt0_val"])
    # Recorded with these numbers taken for the network's disparity in (0, 1), not for inverse depth as in evaluation.
    disp = torch.from_numpy(arrays["eval_disp_f16"][:1].astype(np.float32)).unsqueeze(1)
    return truth.unsqueeze(0), disp_to_depth(disp, 0.1, 100.0)[1]


def test_errors_logged_in_training_equal_the_published_ones(expected, arrays):
    wanted = expected["train_time_depth_metrics_image0"]
    assert tuple(wanted) == METRIC_NAMES
    for name, value in zip(METRIC_NAMES, train_depth_errors(*first_image(arrays)), strict=True):
        # 1e-5: float32 on both sides.
        assert value.item() == pytest.approx(wanted[name], rel=1e-5), name


def test_errors_logged_in_training_use_one_median_for_the_batch(arrays):
    truth, depth = first_image(arrays)
    pair = train_depth_errors(truth.expand(2, -1, -1), torch.cat([depth, 0.5 * depth]))
    alone = train_depth_errors(truth, depth)
    assert not torch.allclose(pair, alone)
    assert torch.allclose(train_depth_errors(truth, 0.5 * depth), alone, rtol=1e-5)  # float32


def test_images_without_a_scan_have_no_errors():
    assert train_depth_errors(torch.zeros(2, 375, 1242), torch.ones(2, 1, 24, 80)) is None
