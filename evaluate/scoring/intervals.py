"""How far a mean can be trusted: bootstrap 95 % intervals over images and over drives, and of paired differences.

Neighbouring frames of a drive look alike, so images are not independent and the interval over them is too narrow; that
over drives draws whole drives. Percentile bootstrap (Efron 1979) with a fixed seed: the same numbers give the same interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .metrics import NAMES, Table, finish

RESAMPLES = 1000
PERCENT = (2.5, 97.5)
Interval = tuple[float, float]


def group_numbers(names: Sequence[str]) -> np.ndarray:
    """(N,) numbers from 0, the same for equal names."""
    return np.unique(np.array(names, dtype=str), return_inverse=True)[1]


def resampled(table: Table, groups: np.ndarray, per_pixel: bool) -> np.ndarray:
    """(RESAMPLES, metrics): means of as many groups as there are, drawn with replacement.

    groups: (images,) the number of each image's group. Tables with the same groups get the same draws.
    """
    sums, counts = table.sums(per_pixel)
    count = int(groups.max()) + 1
    group_sums = np.stack([np.bincount(groups, column, count) for column in sums.T], axis=1)
    group_counts = np.bincount(groups, counts, count)
    draw, means = np.random.default_rng(0), np.empty((RESAMPLES, len(NAMES)))
    for row in means:
        times = np.bincount(draw.integers(count, size=count), minlength=count).astype(np.float64)
        row[:] = times @ group_sums / (times @ group_counts)
    return finish(means, per_pixel)


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
    low, high = np.percentile(means, PERCENT, axis=0).tolist()
    return dict(zip(NAMES, zip(low, high, strict=True), strict=True))
