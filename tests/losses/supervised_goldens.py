"""Comparison of supervised losses with the kit parity_supervised; its README gives the tolerances."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from goldens import assert_close
from torch import Tensor

VALUE, GRADIENT, VALUE_FLOAT32 = 1e-6, 2e-4, 1e-4
# A loss below this is rounding around 0, whose direction means nothing.
NOTHING = 1e-6
# The same in float32, where SILog takes 10 times the spread of logarithms up to log 80, each rounded by 2e-7.
NOTHING_FLOAT32 = 1e-5


class Sample(NamedTuple):
    """Float64 tensors of one case."""

    prediction: Tensor
    target: Tensor
    mask: Tensor


class Kit:
    """One .npz file."""

    def __init__(self, path: Path):
        self.arrays = arrays(path)

    def sample(self, case: str, target: str) -> Sample:
        prediction, truth, mask = (torch.from_numpy(self.arrays[f"{case}/{key}"]) for key in ("pred", target, "mask"))
        return Sample(prediction.double(), truth.double(), mask)


@cache
def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def value_and_gradient(loss: Callable[..., Tensor], sample: Sample) -> tuple[float, Tensor]:
    prediction = sample.prediction.clone().requires_grad_()
    value = loss(prediction, sample.target, sample.mask)
    value.backward()
    return value.item(), prediction.grad


def assert_golden(kit: Kit, key: str, loss: Callable[..., Tensor], sample: Sample, scale: float = 1.0) -> None:
    """Value in float64 and float32 and the gradient agree with `key`/value, value32 and grad times `scale`.

    Where the published code answers NaN or infinity, or fails, the loss is 0 with a zero gradient.
    """
    value, gradient = value_and_gradient(loss, sample)
    published = kit.arrays.get(f"{key}/value")
    if published is None or not np.isfinite(published):
        assert value == 0 and not gradient.any(), key
        return
    published = published.item() * scale
    assert value == pytest.approx(published, rel=VALUE, abs=NOTHING), key
    single, _ = value_and_gradient(loss, Sample(sample.prediction.float(), sample.target.float(), sample.mask))
    assert single == pytest.approx(published, rel=VALUE_FLOAT32, abs=NOTHING_FLOAT32), f"{key} in float32"
    expected = kit.arrays.get(f"{key}/grad")
    if expected is None or abs(published) < NOTHING:
        assert gradient.isfinite().all(), key
    else:
        assert_close(gradient, expected * scale, GRADIENT, f"{key}: gradient")
