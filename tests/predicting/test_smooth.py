"""--smooth takes the flicker of the scale out and leaves steady scenes as they are."""

from __future__ import annotations

import json

import numpy as np
import torch

from litemono.predicting.pipeline import Picture, Prediction
from litemono.predicting.smooth import steady


def predictions(scales):
    shape = torch.rand(24, 80, generator=torch.Generator().manual_seed(0)) + 0.1
    return [Prediction(Picture(None, (24, 80), np.zeros(1), None), shape * float(scale)) for scale in scales]


def levels(results):
    return np.array([float(result.disparity.mean()) for result in results])


def test_a_scale_that_flickers_is_steadied():
    scales = np.exp(np.random.default_rng(0).normal(0, 0.2, 100))
    before = levels(predictions(scales))
    after = levels(steady(predictions(scales), 0.95, None))
    assert np.std(np.log(after)) < 0.25 * np.std(np.log(before))


def test_a_steady_scene_is_not_changed():
    for found, given in zip(steady(predictions([2] * 20), 0.9, None), predictions([2] * 20), strict=True):
        torch.testing.assert_close(found.disparity, given.disparity)


def test_a_slow_change_passes_through_with_a_constant_lag():
    scales = np.exp(0.01 * np.arange(200))
    after = levels(steady(predictions(scales), 0.9, None))
    lag = np.log(levels(predictions(scales))) - np.log(after)
    np.testing.assert_allclose(lag[-50:], 0.01 * 0.9 / (1 - 0.9), rtol=1e-3)  # of an exponential average


def test_it_continues_from_a_state_that_was_written():
    scales = np.exp(np.random.default_rng(1).normal(0, 0.2, 20))
    whole = list(steady(predictions(scales), 0.9, None))
    first = list(steady(predictions(scales)[:7], 0.9, None))
    rest = list(steady(predictions(scales)[7:], 0.9, json.loads(json.dumps(first[-1].look.state))))
    for found, expected in zip(first + rest, whole, strict=True):
        torch.testing.assert_close(found.disparity, expected.disparity)
        np.testing.assert_allclose(found.look.limits, expected.look.limits)
