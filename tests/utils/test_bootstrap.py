"""Sums over groups that are drawn with replacement."""

from __future__ import annotations

import numpy as np

from litemono.utils import bootstrap
from litemono.utils.bootstrap import resampled_sums


def test_every_draw_has_as_many_groups_as_there_are_and_their_mean_is_that_of_the_groups():
    parts = np.random.default_rng(1).normal(5, 1, (40, 2))
    sums = resampled_sums(np.column_stack([parts, np.ones(40)]), 2000)
    assert (sums[:, 2] == 40).all() and np.unique(sums[:, 0]).size == 2000
    # the mean of 2000 draws is known to 1 / sqrt(2000) of their spread; six times that
    assert (abs(sums[:, :2].mean(0) - parts.sum(0)) < 6 * sums[:, :2].std(0) / np.sqrt(2000)).all()


def test_the_draws_are_the_same_for_every_column_and_however_many_are_made_at_once(monkeypatch):
    parts = np.random.default_rng(2).normal(size=(30, 1))
    sums = resampled_sums(np.column_stack([parts, parts + 1]), 100)
    np.testing.assert_allclose(sums[:, 1] - sums[:, 0], 30)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 70)
    np.testing.assert_allclose(resampled_sums(parts, 100)[:, 0], sums[:, 0])
