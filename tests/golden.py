"""Comparison with golden numbers: says where and by how much, not just that."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def strided(tensor: Tensor, key: str) -> np.ndarray:
    """What the kit keeps of a tensor under a name like feat0_every7: every seventh value, row by row."""
    stride = int(key.rpartition("_every")[2]) if "_every" in key else 1
    return tensor.detach().cpu().numpy().ravel()[::stride]


def assert_close(actual: np.ndarray, golden: np.ndarray, name: str, *, atol: float) -> None:
    """No value further off than atol."""
    actual, golden = _flat(actual, golden, name)
    off = np.abs(actual - golden)
    worst = int(off.argmax())
    assert off[worst] <= atol, (
        f"{name}[{worst}] (flat index) is {actual[worst]:.9g}, golden {golden[worst]:.9g}: off by {off[worst]:.2e}, "
        f"{(off > atol).sum()} of {off.size} values are off by more than {atol:g}; {_grade(actual, golden)}"
    )


def assert_close_l2(actual: np.ndarray, golden: np.ndarray, name: str, *, rtol: float) -> None:
    """|actual - golden| <= rtol * |golden| in the l2 norm."""
    actual, golden = _flat(actual, golden, name)
    relative = np.linalg.norm(actual - golden) / np.linalg.norm(golden)
    worst = int(np.abs(actual - golden).argmax())
    assert relative <= rtol, (
        f"{name}: relative l2 difference {relative:.2e}, allowed {rtol:g}; worst at flat index {worst}: "
        f"{actual[worst]:.9g}, golden {golden[worst]:.9g}; {_grade(actual, golden)}"
    )


def assert_stats(tensor: Tensor, stats: dict, name: str, *, rtol: float) -> None:
    """Mean, spread, extremes, norm and (where kept) eight samples; rtol of the tensor's largest value."""
    values = tensor.detach().cpu().double().numpy().ravel()
    scale = np.abs(values).max()
    actual = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
    for key, value in actual.items():
        assert_close(np.array([value]), np.array([stats[key]]), f"{name} {key}", atol=rtol * scale)
    l2 = np.linalg.norm(values)
    assert_close(np.array([l2]), np.array([stats["l2"]]), f"{name} l2", atol=rtol * stats["l2"])
    if "samples" in stats:
        at = np.linspace(0, values.size - 1, 8).astype(int)
        assert_close(values[at], np.array(stats["samples"]), f"{name} samples at {at.tolist()}", atol=rtol * scale)


def _flat(actual: np.ndarray, golden: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    actual, golden = np.asarray(actual, np.float64).ravel(), np.asarray(golden, np.float64).ravel()
    assert actual.shape == golden.shape, f"{name} has {actual.size} values, golden {golden.size}"
    assert np.isfinite(actual).all(), f"{name} has {(~np.isfinite(actual)).sum()} non-finite values"
    return actual, golden


def _grade(actual: np.ndarray, golden: np.ndarray) -> str:
    return f"means {actual.mean():.6g} and {golden.mean():.6g}, spreads {actual.std():.6g} and {golden.std():.6g}"
