"""Bootstrap intervals: where they lie, what narrows and widens them."""

from __future__ import annotations

import numpy as np
import pytest

from evaluate.scoring.intervals import difference_intervals, group_numbers, intervals
from evaluate.scoring.metrics import NAMES, Table


def table(column: np.ndarray, pixels: np.ndarray | float = 1.0) -> Table:
    """Every metric of image i is column[i]."""
    return Table(np.repeat(column[:, None], len(NAMES), axis=1), np.broadcast_to(pixels, column.shape).astype(float))


def each_alone(count: int) -> np.ndarray:
    return np.arange(count)


def test_the_interval_of_independent_images_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(0.1, 0.03, 700)
    low, high = intervals(table(values), each_alone(700), per_pixel=False)["abs_rel"]
    half = 1.96 * values.std() / np.sqrt(700)
    # 1000 draws know their 2.5 % quantile to some percent
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_drives_whose_frames_look_alike_have_a_wider_interval():
    drives = np.repeat(np.arange(10), 50)
    values = np.random.default_rng(2).normal(0.1, 0.03, 10)[drives]
    over_images = intervals(table(values), each_alone(500), False)["abs_rel"]
    over_drives = intervals(table(values), drives, False)["abs_rel"]
    assert np.diff(over_drives) > 4 * np.diff(over_images)


def test_a_difference_of_the_same_images_has_a_narrower_interval_than_the_values():
    values = np.random.default_rng(3).normal(0.1, 0.03, 300)
    low, high = difference_intervals(table(values), table(values + 0.004), each_alone(300), False)["abs_rel"]
    assert (low, high) == pytest.approx((-0.004, -0.004))


def test_over_pixels_an_image_counts_by_its_pixels():
    values, pixels = np.array([1.0, 3.0] * 50), np.array([1.0, 1e9] * 50)
    low, high = intervals(table(values, pixels), each_alone(100), per_pixel=True)["abs_rel"]
    assert (low, high) == pytest.approx((3, 3))


def test_one_group_has_no_interval():
    assert intervals(table(np.ones(5)), np.zeros(5, int), False) is None
    assert intervals(table(np.ones(1)), np.zeros(1, int), False) is None


def test_the_same_numbers_give_the_same_interval_and_names_number_groups():
    values = np.random.default_rng(4).normal(size=20)
    assert intervals(table(values), each_alone(20), False) == intervals(table(values), each_alone(20), False)
    assert group_numbers(["b", "a", "b"]).tolist() == [1, 0, 1]
