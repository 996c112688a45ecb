"""Each metric against recorded numbers, by hand, and its means."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from conftest import ROOT

from evaluate.protocol import Protocol
from evaluate.scoring.metrics import METRICS, depth_metrics, table_of
from evaluate.scoring.one_image import score_image

CASES = [
    "ordinary",
    "large_errors",
    "perfect",
    "just_below_1.25",
    "constant",
    "one_pixel",
    "at_the_caps",
    "only_scaled",
]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("case", CASES)
def test_the_nine_are_the_recorded_ones(parity_supervised, case, bits):
    recorded = np.load(parity_supervised / "metrics.npz")
    truth, depth = (recorded[f"{case}/{name}"].astype(f"f{bits // 8}") for name in ("gt", "pred"))
    metrics = depth_metrics(truth, depth)
    for name, expected in zip(recorded["names"], recorded[f"{case}/bts{bits}"], strict=True):
        if name == "silog" and case in ("only_scaled", "just_below_1.25"):
            assert 0 <= metrics[name] < 0.05, "no spread but rounding, where float32 gave nan"
            continue
        # the kit's tolerances; float32 sums differ between builds of numpy
        assert metrics[name] == pytest.approx(expected, rel=1e-4 if bits == 32 else 1e-6, abs=1e-9), name


def test_all_of_two_pixels_by_hand():
    metrics = depth_metrics(np.array([10.0, 20.0]), np.array([10.8, 10.0]))
    e = np.log([1.08, 0.5])
    expected = {
        "d1": 0.5, "d2": 0.5, "d3": 0.5, "d105": 0, "d110": 0.5, "bad_125": 50,
        "abs_rel": (0.08 + 0.5) / 2,
        "sq_rel": (0.064 + 5) / 2,
        "rmse": math.sqrt((0.64 + 100) / 2),
        "rmse_log": math.sqrt((e**2).mean()),
        "silog": 100 * e.std(),
        "log10": (math.log10(1.08) + math.log10(2)) / 2,
        "mae": (0.8 + 10) / 2,
        "irmse": math.sqrt(((100 - 1000 / 10.8) ** 2 + 50**2) / 2),
        "imae": (100 - 1000 / 10.8 + 50) / 2,
        "sq_error_rel": 100 * (0.0064 + 0.25) / 2,
        "log_bias": e.mean(),
        "edge_acc": math.nan, "edge_comp": math.nan,  # of whole maps
    }  # fmt: skip
    assert metrics == pytest.approx(expected, nan_ok=True) and set(metrics) == set(METRICS)


def test_without_pixels_every_metric_is_nan():
    assert all(math.isnan(value) for value in depth_metrics(np.empty(0), np.empty(0)).values())


def test_the_mean_over_pixels_is_that_of_one_long_image():
    rng = np.random.default_rng(0)
    images = [(rng.uniform(1, 80, n), rng.uniform(1, 80, n)) for n in (3, 50, 700)]
    table = table_of([depth_metrics(*image) for image in images], [len(image[0]) for image in images])
    joined = depth_metrics(*(np.concatenate(part) for part in zip(*images, strict=True)))
    pooled = table.mean(per_pixel=True)
    assert pooled == pytest.approx({name: joined[name] for name in pooled}, rel=1e-9)
    by_hand = {name: np.mean([depth_metrics(*image)[name] for image in images]) for name in table.mean()}
    assert table.mean() == pytest.approx(by_hand)
    assert set(METRICS) - set(by_hand) == {"edge_acc", "edge_comp"}


def test_the_example_in_the_documentation_is_right():
    text = (ROOT / "docs/evaluation.md").read_text()
    truth, prediction, scaled = (
        np.array([re.search(rf"^    {name} +(.+)$", text, re.MULTILINE)[1].split()], np.float64)
        for name in ("ground truth", "prediction", "scaled")
    )
    score = score_image(truth, prediction, Protocol(crop="none"), "depth")
    assert score.ratio * prediction == pytest.approx(scaled)
    rows = re.findall(r"^\| `(\w+)` \| ([^,|]+?)(?:,[^|]*)? \| ([\d.]+) \|$", text, re.MULTILINE)
    assert [name for name, *_ in rows] == ["abs_rel", "sq_rel", "rmse", "d1", "silog"]
    for name, by_hand, value in rows:
        computed = eval(by_hand, {"sqrt": math.sqrt, "log": math.log})
        assert score.metrics[name] == pytest.approx(computed) == pytest.approx(float(value), rel=1e-3), name
