"""The supervised losses by name, for --loss and its checks. Imports no torch: a name is resolved when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from litemono.utils.errors import UserError


class Loss(NamedTuple):
    """A function of (prediction, target, mask), each (B, H, W), that returns a scalar."""

    function: str
    """Where it is: module:name."""
    prediction: Literal["metric", "relative"]
    """What it compares: metric is depth in metres, relative is inverse depth of unknown scale and shift."""
    counts_limits: bool = False
    """Whether ground truth of exactly --min_depth or --max_depth counts. Not so in BTS, AdaBins, ZoeDepth and evaluations."""


LOSSES: dict[str, Loss] = {
    "silog": Loss("litemono.losses.silog:silog", "metric"),
    "silog-bts": Loss("litemono.losses.silog:bts", "metric"),
    "silog-adabins": Loss("litemono.losses.silog:adabins", "metric"),
    "silog-zoedepth": Loss("litemono.losses.silog:zoedepth", "metric"),
    "silog-depth-anything": Loss("litemono.losses.silog:depth_anything", "metric", counts_limits=True),
    "silog-eigen": Loss("litemono.losses.silog:eigen", "metric"),
    "l1": Loss("litemono.losses.robust:l1", "metric"),
    "berhu": Loss("litemono.losses.robust:berhu", "metric"),
    "smooth-l1": Loss("litemono.losses.robust:smooth_l1", "metric"),
    "ssi-mse": Loss("litemono.losses.scale_shift:ssi_mse", "relative"),
    "ssi-trimmed": Loss("litemono.losses.scale_shift:ssi_trimmed_mae", "relative"),
}


OBJECT_WEIGHTED = ("mse", "l1", "rmse", "berhu", "silog", "rmsle", "msr")
"""Functions (prediction, target, mask, weights) of losses/object_weighted.py, of metric depth."""


def loss_function(name: str) -> Callable[..., Any]:
    """The function (prediction, target, mask) -> scalar of a name in LOSSES; UserError for any other name."""
    if name not in LOSSES:
        raise UserError(f"--loss {name}: there is no such loss; choose one of {', '.join(LOSSES)}")
    module, _, function = LOSSES[name].function.partition(":")
    return getattr(importlib.import_module(module), function)


def object_weighted(name: str) -> Callable[..., Any]:
    """The function of a name in OBJECT_WEIGHTED."""
    return getattr(importlib.import_module("litemono.losses.object_weighted"), name)
