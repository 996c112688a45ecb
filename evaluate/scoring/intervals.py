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
    """(RESAMPLES, metrics): means of as many groups as there are, drawn with replacement; NaN where no image has the metric.

    groups: (images,) the number of each image's group. Tables with the same groups get the same draws.
    """
    count = int(groups.max()) + 1
    group_sums, group_counts = (
        np.stack([np.bincount(groups, column, count) for column in part.T], axis=1) for part in table.sums(per_pixel)
    )
    draw, means = np.random.default_rng(0), np.empty((RESAMPLES, len(NAMES)))
    for row in means:
        times = np.bincount(draw.integers(count, size=count), minlength=count).astype(np.float64)
        counts = times @ group_counts
        row[:] = times @ group_sums / np.where(counts, counts, np.nan)
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
    """Of the metrics that images have; a draw without such an image does not count."""
    known = ~np.isnan(means).all(axis=0)
    low, high = np.nanpercentile(means[:, known], PERCENT, axis=0).tolist()
    names = [name for name, kept in zip(NAMES, known, strict=True) if kept]
    return dict(zip(names, zip(low, high, strict=True), strict=True))
