"""Percentile bootstrap (Efron 1979) over groups, such as batches, drives or backgrounds, with a fixed seed."""

from __future__ import annotations

from typing import Protocol

import numpy as np

PERCENT = (2.5, 97.5)  # of a 95 % interval
AT_ONCE = 1_000_000  # drawn groups that are held in memory
BLOCK = 4096  # groups whose parts are


class Parts(Protocol):
    """(groups, columns) float64, what each group adds: an array, or rows that are computed when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


def resampled_sums(parts: Parts, resamples: int) -> np.ndarray:
    """(resamples, columns) float64: sums over as many groups as there are, drawn with replacement.

    The same number of groups gets the same draws, so that the difference of two results is a paired one.
    """
    count = len(parts)
    rng = np.random.default_rng(0)
    sums = np.zeros((resamples, parts[:1].shape[1]))
    step = max(1, AT_ONCE // count)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        for start in range(0, count, BLOCK):
            block = slice(start, start + BLOCK)
            sums[first : first + rows] += times[:, block].astype(np.float64) @ parts[block]
    return sums
