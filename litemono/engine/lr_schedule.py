"""The published learning-rate schedule: cosine with restarts, the maximum decaying at each restart, one value per epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from litemono.config import six_rates

RESTART_DECAY = 0.9


def cosine(maximum: float, minimum: float, cycle: float, epoch: int) -> float:
    """Learning rate of `epoch` (from 0). The published scheduler is stepped before an epoch, hence epoch + 1."""
    restarts, position = divmod(epoch + 1, cycle)
    peak = maximum * RESTART_DECAY**restarts
    return minimum + (peak - minimum) * (1 + math.cos(math.pi * position / cycle)) / 2


def learning_rates(lr: Sequence[float], epoch: int) -> tuple[float, float]:
    """Learning rates of the depth and the pose optimiser in `epoch`."""
    values = six_rates(lr)
    return cosine(*values[:3], epoch), cosine(*values[3:], epoch)
