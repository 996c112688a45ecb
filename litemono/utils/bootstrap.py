"""Percentile bootstrap (Efron 1979) over groups, such as batches, drives or backgrounds, with a fixed seed."""

from __future__ import annotations

import numpy as np

PERCENT = (2.5, 97.5)  # of a 95 % interval
AT_ONCE = 1_000_000  # drawn groups that are held in memory


def resampled_sums(parts: np.ndarray, resamples: int) -> np.ndarray:
    """(resamples, columns) float64: sums over as many groups as there are, drawn with replacement.

    parts: (groups, columns), what each group adds. The same number of groups gets the same draws, so that the difference of
    two results is a paired one.
    """
    count = len(parts)
    rng = np.random.default_rng(0)
    sums = np.empty((resamples, parts.shape[1]))
    step = max(1, AT_ONCE // count)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        sums[first : first + rows] = times.astype(np.float64) @ parts
    return sums
