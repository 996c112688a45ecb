"""Comparison with recorded numbers, in words: where it differs most and by how much."""

from __future__ import annotations

import numpy as np
import torch

# Why: float64 on both sides leaves nothing but the order of additions.
F64 = 1e-9
# Why: float32 rounding (6e-8) through sums, divisions and cancellations of a dozen steps.
F32 = 1e-5


def array(x: object) -> np.ndarray:
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)


def assert_close(actual: object, expected: object, tolerance: float, what: str, outliers: float = 0.0) -> None:
    """Each difference stays below tolerance * the largest expected value, but for the share `outliers` of the entries."""
    actual, expected = array(actual).astype(np.float64), array(expected).astype(np.float64)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    difference = np.abs(actual - expected)
    allowed = tolerance * np.abs(expected).max()
    wrong = ~(difference <= allowed)  # a NaN is wrong
    where = tuple(
        int(i) for i in np.unravel_index(np.argmax(np.where(np.isnan(difference), np.inf, difference)), wrong.shape)
    )
    assert wrong.mean() <= outliers, (
        f"{what}: {wrong.sum()} of {wrong.size} entries differ by more than {allowed:.3g} ({tolerance:g} of the largest); "
        f"worst at {where}: {actual[where]:.9g}, expected {expected[where]:.9g}"
    )


def assert_l2_close(actual: object, expected: object, tolerance: float, what: str) -> None:
    """The difference's l2 norm is below tolerance times that of the expected values."""
    actual, expected = array(actual).astype(np.float64), array(expected).astype(np.float64)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    relative = np.linalg.norm(actual - expected) / np.linalg.norm(expected)
    assert relative <= tolerance, (
        f"{what}: l2 of the difference is {relative:.3g} of the expected l2, limit {tolerance:g}"
    )
