"""How far a mean can be trusted: bootstrap 95 % intervals over images and over drives, and of paired differences.

Neighbouring frames of a drive look alike, so images are not independent and the interval over them is too narrow; that
over drives draws whole drives. The same numbers give the same interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from litemono.utils.bootstrap import PERCENT, resampled_sums

from .metrics import NAMES, Table, finish

RESAMPLES = 1000
Interval = tuple[float, float]


def group_numbers(names: Sequence[str]) -> np.ndarray:
    """(N,) numbers from 0, the same for equal names."""
    return np.unique(np.array(names, dtype=str), return_inverse=True)[1]


def resampled(table: Table, groups: np.ndarray, per_pixel: bool) -> np.ndarray:
    """(RESAMPLES, metrics): means of as many groups as there are, drawn with replacement; NaN where no image has the metric.

    groups: (images,) the number of each image's group. Tables with the same groups get the same draws.
    """
    count = int(groups.max()) + 1
    columns = np.concatenate(table.sums(per_pixel), axis=1).T  # of the metrics, then of what they are divided by
    parts = np.stack([np.bincount(groups, column, count) for column in columns], axis=1)
    sums, counts = np.split(resampled_sums(parts, RESAMPLES), 2, axis=1)
    return finish(sums / np.where(counts, counts, np.nan), per_pixel)


def intervals(table: Table, groups: np.ndarray, per_pixel: bool) -> dict[str, Interval] | None:
    """The 95 % interval of each metric; None where there are not two groups to draw from."""
    if len(np.unique(groups)) < 2:
        return None
    return _by_name(resampled(table, groups, per_pixel))


def difference_intervals(ours: Table, theirs: Table, groups: np.ndarray, per_pixel: bool) -> dict[str, Interval] | None:
    """The same of ours - theirs, for two tables of the same images in the same order."""
    if len(np.unique(groups)) < 2:
        return None
    return _by_name(resampled(ours, groups, per_pixel) - resampled(theirs, groups, per_pixel))


def _by_name(means: np.ndarray) -> dict[str, Interval]:
    """Of the metrics that images have; a draw without such an image does not count."""
    known = ~np.isnan(means).all(axis=0)
    low, high = np.nanpercentile(means[:, known], PERCENT, axis=0).tolist()
    names = [name for name, kept in zip(NAMES, known, strict=True) if kept]
    return dict(zip(names, zip(low, high, strict=True), strict=True))
