"""Alignments against recorded numbers, and where a fit has no unique answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluate.protocol import PRESETS, Protocol
from evaluate.scoring.alignment import NO_PIXELS, BadPrediction, Fit, align, moments, solve, video_moments
from evaluate.scoring.one_image import score_image

CASES = ["kitti_like", "noisy", "exact_affine", "anti_correlated", "far_beyond_cap", "indoor", "negative_prediction"]
SINGULAR = ["constant_prediction", "one_pixel"]
FLOAT64 = 1e-6  # the kit's tolerance for results in float64


@pytest.fixture(scope="module")
def recorded(parity_supervised):
    return np.load(parity_supervised / "align.npz")


def inputs(recorded, case: str) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth with 0 where it counts not, and the predicted disparity."""
    return recorded[f"{case}/depth"] * recorded[f"{case}/mask"], recorded[f"{case}/pred_disparity"].astype(np.float64)


@pytest.mark.parametrize("case", CASES)
def test_scale_and_shift_of_inverse_depth_are_the_recorded_ones(recorded, case):
    truth, disparity = inputs(recorded, case)
    valid = truth > 0
    fit = solve(moments(disparity[valid], 1 / truth[valid].astype(np.float64)))
    assert fit == pytest.approx(tuple(recorded[f"{case}/scale_shift_64"]), rel=FLOAT64)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "name, key, metric",
    [
        ("midas-kitti", "kitti_bad_percent_cap80", "bad_125"),
        ("midas-tum", "tum_bad_percent_cap10", "bad_125"),
        ("midas-sintel", "sintel_absrel_cap72", "abs_rel"),
        ("midas-eth3d", "eth3d_absrel_cap72", "abs_rel"),
    ],
)
def test_zero_shot_numbers_of_midas_are_the_recorded_ones(recorded, case, name, key, metric):
    truth, disparity = inputs(recorded, case)
    protocol = replace(PRESETS[name], cap_truth=False)  # the kit's mask says which pixels count
    score = score_image(truth, disparity, protocol, "relative")
    assert score.metrics[metric] == pytest.approx(float(recorded[f"{case}/{key}_64"]), rel=FLOAT64)


@pytest.mark.parametrize("case", CASES)
def test_least_squares_of_depth_is_marigolds(recorded, case):
    truth, prediction = inputs(recorded, case)
    valid = truth > 0
    fit = solve(moments(prediction[valid], truth[valid]))
    expected = recorded[f"{case}/marigold_depth_resNone/scale_shift"]
    # exact fits leave a shift of rounding errors
    assert fit == pytest.approx(tuple(expected), rel=FLOAT64, abs=1e-9)


@pytest.mark.parametrize("case", ["kitti_like", "noisy", "exact_affine", "anti_correlated", "far_beyond_cap", "indoor"])
def test_least_squares_of_inverse_depth_gives_marigolds_metrics(recorded, case):
    truth, disparity = inputs(recorded, case)
    protocol = replace(PRESETS["marigold"], crop="none", alignment="scale_shift_disparity", cap_truth=False)
    metrics = score_image(truth, disparity, protocol, "relative").metrics
    names = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "d1", "d2", "d3", "irmse", "silog")
    ours = [metrics[name] / (1000 if name == "irmse" else 1) for name in names]  # ours is in 1/km
    # float32 in the published call; exact_affine is 0 but for that
    np.testing.assert_allclose(ours, recorded[f"{case}/marigold_disparity/metrics"], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("case", SINGULAR)
def test_without_a_unique_fit_the_answer_is_the_mean_of_the_target(recorded, case):
    truth, disparity = inputs(recorded, case)
    valid = truth > 0
    target = 1 / truth[valid].astype(np.float64)
    assert solve(moments(disparity[valid], target)) == Fit(0.0, pytest.approx(target.mean()))
    score = score_image(truth, disparity, replace(PRESETS["midas-kitti"]), "relative")
    assert np.isfinite(score.errors).all()
    if case == "one_pixel":
        assert score.metrics["abs_rel"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("case", ["sparse", "negative_slope", "constant_prediction", "nearly_constant", "one_pixel"])
def test_fits_are_the_recommended_ones(parity_supervised, case):
    arrays, recommended = np.load(parity_supervised / "ssi.npz"), np.load(parity_supervised / "recommended.npz")
    for index, mask in enumerate(arrays[f"{case}/mask"]):
        fit = solve(moments(arrays[f"{case}/pred"][index][mask], arrays[f"{case}/target"][index][mask]))
        # sums in another order: where predictions hardly differ that shows
        tolerance = 1e-3 if case == "nearly_constant" else 1e-6
        expected = np.array(recommended[f"{case}/scale_shift"])[:, index]
        assert fit == pytest.approx(tuple(expected), rel=tolerance), index


def test_a_negative_slope_is_kept(recorded):
    truth, disparity = inputs(recorded, "anti_correlated")
    assert score_image(truth, disparity, PRESETS["midas-kitti"], "relative").fit.scale < 0


def test_one_fit_for_a_video_comes_from_the_sums_of_its_images(recorded):
    protocol = replace(PRESETS["depth-anything"], alignment="per_video")
    pairs = [inputs(recorded, case) for case in ("kitti_like", "noisy")]
    sums = NO_PIXELS
    for truth, disparity in pairs:
        sums = sums.plus(video_moments(disparity[truth > 0], truth[truth > 0], "relative"))
    everything = [np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1)]
    valid = everything[0] > 0
    expected = solve(video_moments(everything[1][valid], everything[0][valid], "relative"))
    assert solve(sums) == pytest.approx(expected)
    truth, disparity = pairs[0]
    assert score_image(truth, disparity, protocol, "relative", solve(sums)).fit == solve(sums)


def test_scale_and_median_by_hand():
    truth, depth = np.array([2.0, 4.0, 12.0]), np.array([1.0, 2.0, 3.0])
    aligned, fit = align(depth, truth, Protocol(alignment="median"), "depth")
    assert fit == Fit(2.0) and aligned.tolist() == [2, 4, 6]
    aligned, fit = align(depth, truth, Protocol(alignment="scale"), "depth")
    assert fit == Fit(46 / 14) and aligned == pytest.approx(depth * 46 / 14)
    aligned, fit = align(1 / depth, truth, Protocol(alignment="none", cap=2.5), "disparity")
    assert fit is None and aligned.tolist() == [1, 2, 2.5]


def test_half_a_map_of_zeros_cannot_be_scaled_by_its_median():
    for kind in ("depth", "disparity"):
        with pytest.raises(BadPrediction, match=kind):
            align(np.array([0.0, 0.0, 1.0]), np.array([1.0, 2.0, 3.0]), Protocol(), kind)
