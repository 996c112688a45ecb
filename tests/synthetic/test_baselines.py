"""Guesses that look at no image mean what their names say."""

import numpy as np
import pytest

from litemono.synthetic import baselines, sensors
from litemono.synthetic.settings import Settings

H, W = 96, 320


def maps_of(*metres: float) -> list[np.ndarray]:
    return [np.full((H, W), value, np.float32) for value in metres]


def test_the_best_constant_for_one_wall_is_its_distance():
    metres, errors = baselines.best(maps_of(12.0), baselines.constant, median_scaling=False)
    assert metres == pytest.approx(12.0, rel=0.03)  # half the step between two guesses
    assert errors.abs_rel < 0.03


def test_the_best_constant_for_two_walls_is_the_nearer_one():
    # At depth c between 10 and 30: (c - 10) / 10 + (30 - c) / 30 grows with c.
    metres, errors = baselines.best(maps_of(10.0, 30.0), baselines.constant, median_scaling=False)
    assert metres == pytest.approx(10.0, rel=0.03)
    assert errors.abs_rel == pytest.approx((0 + 20 / 30) / 2, abs=0.03)


def test_a_median_scaled_constant_is_exact_where_every_image_is_one_wall():
    errors = baselines.mean_errors(maps_of(10.0, 30.0), baselines.constant, 1.0, median_scaling=True)
    assert errors.abs_rel == pytest.approx(0, abs=1e-6)


def test_the_flat_road_is_as_far_as_the_rendered_one():
    depth = baselines.flat_road(H, W, 80)
    settings = Settings(height=H, width=W, drives=3, frames_per_drive=3)
    exact = sensors.exact_depth(settings, 0, 0)[80:]
    agreement = np.abs(exact / depth[80:] - 1)
    assert np.mean(agreement < 0.1) > 0.5  # the bottom of the picture is mostly road, the camera pitches a little
    assert np.all(depth[: H // 2] == 80)
    assert np.all(np.diff(depth[:, 0]) <= 0)


def test_the_flat_road_is_exact_on_a_flat_road():
    rows = np.arange(H)[:, None] - 0.5 * H
    plane = np.where(rows > 2, 1.92 * H * 1.65 / np.maximum(rows, 1e-9), 0) * np.ones((1, W))
    errors = baselines.mean_errors([plane.astype(np.float32)], baselines.flat_road, 80, median_scaling=False)
    assert errors.abs_rel < 1e-5


def test_the_best_wall_at_the_end_of_a_flat_road_is_found():
    truth = baselines.flat_road(H, W, 15.0)
    end, errors = baselines.best([truth], baselines.flat_road, median_scaling=False)
    assert end == pytest.approx(15.0, rel=0.03)
    assert errors.abs_rel < 0.03
