"""How far a validation result can be trusted: bootstrap 95 % intervals over the batches of the validation split.

A batch holds consecutive samples. Neighbouring frames look alike, so whole batches are drawn rather than samples; it is the
block bootstrap (Kunsch 1989) with the batch as its block. The draws are the same for every run, so that the difference of
two runs on the same batches is a paired one. None of this tells how far another --seed would change the result.
"""

from __future__ import annotations

import numpy as np

from litemono.study.runs import Epoch
from litemono.utils.bootstrap import PERCENT, resampled_sums

RESAMPLES = 2000
LEAST_BATCHES = 5  # below that the percentiles say little
Interval = tuple[float, float]


def resampled(epoch: Epoch, metric: str) -> np.ndarray | None:
    """(RESAMPLES,) means of as many batches as there are, drawn with replacement; None where there are too few."""
    if epoch.batches is None or metric not in epoch.batches.parts:
        return None
    parts = epoch.batches.parts[metric]
    parts = parts[parts[:, 1] > 0]
    count = len(parts)
    if count < LEAST_BATCHES or not np.isfinite(parts).all():
        return None
    totals, samples = resampled_sums(parts, RESAMPLES).T
    return totals / samples


def interval(epoch: Epoch, metric: str) -> Interval | None:
    """95 % interval of a validation result."""
    return _percentiles(resampled(epoch, metric))


def difference(epoch: Epoch, other: Epoch, metric: str) -> Interval | None:
    """95 % interval of epoch - other, batch by batch; None where they were validated on different batches."""
    if epoch.batches is None or other.batches is None or epoch.batches.identity != other.batches.identity:
        return None
    ours, theirs = resampled(epoch, metric), resampled(other, metric)
    if ours is None or theirs is None or not same_batches(epoch, other, metric):
        return None
    return _percentiles(ours - theirs)


def same_batches(epoch: Epoch, other: Epoch, metric: str) -> bool:
    """Whether the same samples of each batch have a value."""
    assert epoch.batches is not None and other.batches is not None
    return np.array_equal(epoch.batches.parts[metric][:, 1], other.batches.parts[metric][:, 1])


def _percentiles(values: np.ndarray | None) -> Interval | None:
    if values is None:
        return None
    low, high = np.percentile(values, PERCENT).tolist()
    return low, high
