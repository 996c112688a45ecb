"""The evaluation protocol against recorded numbers, and by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from parity_recipes import fill, model_input

import networks
from evaluate import windows
from evaluate.protocol import PRESETS, Protocol, default_protocol
from evaluate.scoring import one_image, placing
from evaluate.scoring.one_image import merge_flipped, score_image, summarise
from litemono.metrics import Errors
from litemono.trained_depth import TrainedDepth

# ---------------------------------------------------------------- recorded numbers


@pytest.fixture(scope="module")
def recorded(parity):
    return json.loads((parity / "eval.json").read_text()), np.load(parity / "eval.npz")


def recorded_truth(arrays, index: int) -> np.ndarray:
    truth = np.zeros(arrays[f"eval_gt{index}_shape"], np.float32)
    rows, columns = arrays[f"eval_gt{index}_yx"]
    truth[rows, columns] = arrays[f"eval_gt{index}_val"]
    return truth


@pytest.mark.parametrize(
    "case, chosen",
    [
        ("eval_median_scaling", Protocol()),
        ("eval_no_median_scaling", Protocol(alignment="none")),
        ("eval_no_median_scale_factor_5p4", Protocol(alignment="none", pred_depth_scale=5.4)),
    ],
)
def test_errors_on_four_image_sizes_are_the_recorded_ones(recorded, case, chosen):
    expected, arrays = recorded[0][case], recorded[1]
    disparities = arrays["eval_disp_f16"].astype(np.float32)
    scores = [score_image(recorded_truth(arrays, i), disparities[i], chosen) for i in range(4)]
    tolerance = 1e-5  # the kit's, for float32 and OpenCV's resize; observed: 0
    for index, (score, one) in enumerate(zip(scores, expected["per_image"], strict=True)):
        for name, value in score.errors._asdict().items():
            assert value == pytest.approx(one[name], rel=tolerance), f"image {index} {name}"
        assert (score.ratio is None) == ("ratio" not in one)
    summary = summarise(scores)
    assert summary.errors._asdict() == pytest.approx(expected["mean"], rel=tolerance)
    if chosen.median_scaling:
        assert summary.ratio_median == pytest.approx(expected["ratios_median"], rel=tolerance)
        assert summary.ratio_std == pytest.approx(expected["ratios_std_over_median"], rel=tolerance)
    else:
        assert summary.ratio_median is None and summary.ratio_std is None


def test_crops_are_the_recorded_ones(recorded):
    for size, box in recorded[0]["crops"].items():
        rows, columns = windows.garg_crop(*map(int, size.split("x")))
        assert [rows.start, rows.stop, columns.start, columns.stop] == box, size


def test_disparity_is_resized_as_recorded(recorded):
    arrays = recorded[1]
    for index in range(4):
        disparity = arrays["eval_disp_f16"][index].astype(np.float32)
        resized = placing.resize(disparity, *arrays[f"eval_gt{index}_shape"])
        # OpenCV versions differ in the last bit
        np.testing.assert_allclose(resized.ravel()[::61], arrays[f"eval_resized{index}_every61"], rtol=1e-6)


def test_flip_post_processing_is_the_recorded_one(recorded, parity):
    arrays, extra = recorded[1], np.load(parity / "extra.npz")
    merged = merge_flipped(arrays["pp_l"], arrays["pp_r"])
    assert merged.dtype == np.float64
    np.testing.assert_allclose(merged, arrays["pp_out"], rtol=1e-12)  # the same float64 operations
    net = networks.create("lite-mono", height=192, width=640)
    fill(net.encoder)
    fill(net.decoder)
    trained = TrainedDepth(net.eval(), torch.device("cpu"), 0.1, 100.0, {})
    stats = json.loads((parity / "model_stats.json").read_text())["lite-mono_192x640"]
    image = model_input(192, 640, stats["input_seed"])
    plain = trained.disparity_of(image).numpy()
    of_flipped = trained.disparity_of(image.flip(3)).numpy()
    merged = merge_flipped(plain, of_flipped[:, :, ::-1])
    # 1e-5 per unit of network disparity, of which there are 1/0.1 - 1/100 in scaled disparity
    for name, values in (
        ("scaled_disp", plain),
        ("scaled_disp_of_flipped_input", of_flipped),
        ("postprocessed", merged),
    ):
        np.testing.assert_allclose(values.ravel()[::7], extra[f"{name}_every7"], atol=1e-4, err_msg=name)


# ---------------------------------------------------------------- by hand


def test_errors_of_three_pixels_are_those_computed_by_hand():
    truth = np.zeros((375, 1242), np.float32)
    truth[200, 100], truth[250, 600], truth[300, 1100] = 10, 20, 40
    truth[200, 700], truth[10, 600], truth[200, 1241] = 80, 15, 15  # too far, above the crop, right of it
    score = score_image(truth, np.full((192, 640), 0.1, np.float32), Protocol())
    assert score.ratio == pytest.approx(2)  # depth 10 everywhere, median of the truth 20
    assert score.errors == pytest.approx(
        Errors(
            abs_rel=(1 + 0 + 0.5) / 3,
            sq_rel=(10 + 0 + 10) / 3,
            rmse=math.sqrt((100 + 0 + 400) / 3),
            rmse_log=math.sqrt(2 * math.log(2) ** 2 / 3),
            a1=1 / 3,
            a2=1 / 3,
            a3=1 / 3,  # a factor of 2 is more than 1.25^3
        ),
        rel=1e-6,
    )


def test_the_benchmark_counts_every_annotated_pixel():
    truth = np.zeros((40, 100), np.float32)
    truth[0, 0], truth[20, 50], truth[39, 99] = 10, 90, 10
    assert one_image.valid_pixels(truth, PRESETS["eigen_benchmark"]).sum() == 3
    assert one_image.valid_pixels(truth, Protocol()).sum() == 0
    assert score_image(truth, np.ones((8, 20), np.float32), Protocol()) is None
    assert [default_protocol(name).crop == "garg" for name in ("eigen", "eigen_benchmark", "mine")] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 0.0])
def test_a_disparity_that_is_no_depth_is_refused(value):
    truth = np.full((40, 100), 10, np.float32)
    with pytest.raises(one_image.BadPrediction):
        score_image(truth, np.full((8, 20), value, np.float32), Protocol())
