"""How far a mean can be trusted: bootstrap 95 % intervals over images and over drives, and of paired differences.

Neighbouring frames of a drive look alike, so images are not independent and the interval over them is too narrow; that
over drives draws whole drives. The same numbers give the same interval.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from litemono.utils.bootstrap import PERCENT, resampled_sums

from .metrics import NAMES, Table, finish

RESAMPLES = 1000
Interval = tuple[float, float]


def group_numbers(names: Iterable[str]) -> np.ndarray:
    """(N,) numbers from 0, the same for equal names, in the order of the names."""
    met: dict[str, int] = {}
    numbers = np.array(array("q", (met.setdefault(name, len(met)) for name in names)))
    ranks = {name: rank for rank, name in enumerate(sorted(met))}
    return np.array([ranks[name] for name in met], np.int64)[numbers] if met else numbers


class _SumsOfImages:
    """What each image adds to the metrics and to what they are divided by, computed when it is asked for."""

    def __init__(self, table: Table, per_pixel: bool) -> None:
        self.table, self.per_pixel = table, per_pixel

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.concatenate(self.table[rows].sums(self.per_pixel), axis=1)


def _sums_of_groups(images: _SumsOfImages, groups: np.ndarray) -> np.ndarray:
    """(groups, columns)."""
    count = int(groups.max()) + 1
    sums = np.zeros((count, images[:1].shape[1]))
    for rows in images.table.blocks():
        sums += np.stack([np.bincount(groups[rows], column, count) for column in images[rows].T], axis=1)
    return sums


def resampled(table: Table, groups: np.ndarray, per_pixel: bool) -> np.ndarray:
    """(RESAMPLES, metrics): means of as many groups as there are, drawn with replacement; NaN where no image has the metric.

    groups: (images,) the number of each image's group. Tables with the same groups get the same draws.
    """
    images = _SumsOfImages(table, per_pixel)
    each_alone = np.array_equal(groups, np.arange(len(table)))
    found = resampled_sums(images if each_alone else _sums_of_groups(images, groups), RESAMPLES)
    sums, counts = np.split(found, 2, axis=1)
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
