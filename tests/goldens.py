"""Comparison with recorded numbers; a mismatch says where it differs most and by how much."""

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


def strided(tensor: torch.Tensor, key: str) -> np.ndarray:
    """What the kit keeps of a tensor under a name like feat0_every7: every seventh value, row by row."""
    stride = int(key.rpartition("_every")[2]) if "_every" in key else 1
    return tensor.detach().cpu().numpy().ravel()[::stride]


def assert_within(actual: np.ndarray, golden: np.ndarray, name: str, *, atol: float) -> None:
    """No value further off than atol."""
    actual, golden = _flat(actual, golden, name)
    off = np.abs(actual - golden)
    worst = int(off.argmax())
    assert off[worst] <= atol, (
        f"{name}[{worst}] (flat index) is {actual[worst]:.9g}, golden {golden[worst]:.9g}: off by {off[worst]:.2e}, "
        f"{(off > atol).sum()} of {off.size} values are off by more than {atol:g}; {_grade(actual, golden)}"
    )


def assert_stats(tensor: torch.Tensor, stats: dict, name: str, *, rtol: float) -> None:
    """Mean, spread, extremes, norm and (where kept) eight samples; rtol of the tensor's largest value."""
    values = tensor.detach().cpu().double().numpy().ravel()
    scale = np.abs(values).max()
    actual = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
    for key, value in actual.items():
        assert_within(np.array([value]), np.array([stats[key]]), f"{name} {key}", atol=rtol * scale)
    l2 = np.linalg.norm(values)
    assert_within(np.array([l2]), np.array([stats["l2"]]), f"{name} l2", atol=rtol * stats["l2"])
    if "samples" in stats:
        at = np.linspace(0, values.size - 1, 8).astype(int)
        assert_within(values[at], np.array(stats["samples"]), f"{name} samples at {at.tolist()}", atol=rtol * scale)


def _flat(actual: np.ndarray, golden: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    actual, golden = np.asarray(actual, np.float64).ravel(), np.asarray(golden, np.float64).ravel()
    assert actual.shape == golden.shape, f"{name} has {actual.size} values, golden {golden.size}"
    assert np.isfinite(actual).all(), f"{name} has {(~np.isfinite(actual)).sum()} non-finite values"
    return actual, golden


def _grade(actual: np.ndarray, golden: np.ndarray) -> str:
    return f"means {actual.mean():.6g} and {golden.mean():.6g}, spreads {actual.std():.6g} and {golden.std():.6g}"
