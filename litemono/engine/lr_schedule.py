"""Learning-rate schedules: functions of the epochs trained so far, fractions included.

Epochs rather than steps, so that a resumed run may change its batch size or its number of processes.

    published    cosine with restarts, the maximum decaying at each restart, one value per epoch (Lite-Mono's trainer)
    cosine       from the maximum to the minimum along half a cosine (Loshchilov and Hutter 2017)
    one-cycle    up from maximum / 25 for 30 % of the run, then down to the minimum, both along cosines (Smith 2018)
    polynomial   minimum + (maximum - minimum) * (1 - t)^0.9 (BTS, Depth Anything)
    constant     the maximum
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

from litemono.utils.errors import UserError

ScheduleName = Literal["published", "cosine", "one-cycle", "polynomial", "constant"]
SCHEDULES: tuple[ScheduleName, ...] = get_args(ScheduleName)

RESTART_DECAY = 0.9
FIRST_DIVISOR, RISE = 25.0, 0.3
POWER = 0.9


class Rate(NamedTuple):
    """Learning rates of one parameter group."""

    maximum: float
    minimum: float
    cycle: float
    """Epochs between the restarts of the published schedule."""


def group_rates(lr: Sequence[float], defaults: Sequence[Rate]) -> list[Rate]:
    """--lr as one Rate for each parameter group.

    lr: three values a group (max min cycle), one value a group, or one value from which all groups follow in the
    proportions of `defaults`; none: `defaults`. Raises UserError for another number of values.
    """
    groups = len(defaults)
    if not lr:
        return list(defaults)
    if len(lr) == 3 * groups:
        return [Rate(*lr[3 * i : 3 * i + 3]) for i in range(groups)]
    if len(lr) == groups and groups > 1:
        return [scaled(rate, value / rate.maximum) for rate, value in zip(defaults, lr, strict=True)]
    if len(lr) == 1:
        return [scaled(rate, lr[0] / defaults[0].maximum) for rate in defaults]
    raise UserError(
        f"--lr takes {' or '.join(map(str, sorted({1, groups, 3 * groups})))} values, not {len(lr)}: one maximum for all "
        "parameter groups, one for each, or max min cycle for each"
    )


def scaled(rate: Rate, factor: float) -> Rate:
    return Rate(rate.maximum * factor, rate.minimum * factor, rate.cycle)


def schedule(name: ScheduleName, rate: Rate, num_epochs: int, warmup_epochs: float = 0.0) -> Callable[[float], float]:
    """Epochs trained so far -> learning rate. A warm-up rises linearly to the schedule's own value."""

    def at(epochs: float) -> float:
        value = SHAPES[name](rate, epochs, epochs / num_epochs)
        return value * epochs / warmup_epochs if epochs < warmup_epochs else value

    return at


def published(rate: Rate, epochs: float, _: float) -> float:
    """The published scheduler is stepped before an epoch, hence + 1."""
    restarts, position = divmod(math.floor(epochs) + 1, rate.cycle)
    peak = rate.maximum * RESTART_DECAY**restarts
    return rate.minimum + (peak - rate.minimum) * (1 + math.cos(math.pi * position / rate.cycle)) / 2


def between(start: float, end: float, t: float) -> float:
    """Half a cosine from `start` at t = 0 to `end` at t = 1."""
    return end + (start - end) * (1 + math.cos(math.pi * min(t, 1.0))) / 2


def one_cycle(rate: Rate, _: float, t: float) -> float:
    if t < RISE:
        return between(rate.maximum / FIRST_DIVISOR, rate.maximum, t / RISE)
    return between(rate.maximum, rate.minimum, (t - RISE) / (1 - RISE))


SHAPES: dict[str, Callable[[Rate, float, float], float]] = {
    "published": published,
    "cosine": lambda rate, _, t: between(rate.maximum, rate.minimum, t),
    "one-cycle": one_cycle,
    "polynomial": lambda rate, _, t: rate.minimum + (rate.maximum - rate.minimum) * max(0.0, 1 - t) ** POWER,
    "constant": lambda rate, _, t: rate.maximum,
}
