"""Steady scale and steady colours from frame to frame.

A network that was trained on video alone gives each frame a scale of its own, which flickers. Between neighbouring frames the
median over the image of log(disparity now / disparity before) is mostly that flicker. Its sum over time is followed by an
exponential moving average, and each frame is multiplied by what the sum lacks to the average. A slow change of the scene,
such as a drive out of a street, passes through with a constant lag; a frame of one-sided scale does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from litemono.predicting.pipeline import Look, Prediction

GRID = (12, 40)  # the image's parts whose disparities are compared


class State(NamedTuple):
    """What is remembered from frame to frame; small enough to be written beside the results."""

    logs: list[float]
    """Logarithm of the last frame's disparity on the grid, as predicted."""
    total: float
    """Sum of the scale's logarithmic changes."""
    average: float
    """Its moving average."""
    low: float
    high: float
    """Averages of the disparities that are shown darkest and brightest."""


def steady(predictions: Iterable[Prediction], memory: float, state: list[Any] | None) -> Iterator[Prediction]:
    """The same predictions with a steady scale, and the colours' range with them.

    memory: weight of the past in each average, in [0, 1). state: as a prediction of an earlier run carried it.
    """
    last = None if state is None else State(*state)
    for prediction in predictions:
        last = _after(last, prediction.disparity, memory)
        scaled = prediction.disparity * float(np.exp(last.average - last.total))
        low, high = _range(scaled)
        if state is not None:
            low, high = _mix(last.low, low, memory), _mix(last.high, high, memory)
        last = last._replace(low=low, high=high)
        state = list(last)
        yield prediction._replace(disparity=scaled, look=Look((low, high), state))


def _after(last: State | None, disparity: Tensor, memory: float) -> State:
    logs = F.adaptive_avg_pool2d(disparity[None, None], GRID)[0, 0].clamp(min=1e-6).log().flatten().tolist()
    if last is None:
        return State(logs, 0.0, 0.0, 0.0, 0.0)
    total = last.total + float(np.median(np.subtract(logs, last.logs)))
    return State(logs, total, _mix(last.average, total, memory), last.low, last.high)


def _mix(past: float, now: float, memory: float) -> float:
    return memory * past + (1 - memory) * now


def _range(disparity: Tensor) -> tuple[float, float]:
    """Least and 95th percentile, which is what pictures show."""
    values = disparity.flatten()
    return float(values.min()), float(torch.quantile(values, 0.95))
