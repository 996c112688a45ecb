"""How much corruptions cost: DEE, mCE and mRR of RoboDepth (Kong et al. 2023), and its published table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from .corruptions import CORRUPTIONS, SEVERITIES


class PublishedRow(NamedTuple):
    model: str
    size: str
    """WIDTHxHEIGHT of the network's input."""
    mce: float
    mrr: float
    dee: dict[str, float]
    """"clean", and for each corruption the mean over the severities."""


def dee(abs_rel: float, d1: float) -> float:
    """Depth estimation error, 0 of a perfect prediction: the mean of abs_rel and of the share of pixels not within 1.25."""
    return (abs_rel - d1 + 1) / 2


class Robustness(NamedTuple):
    """In percent; None where a severity or corruption was left out, so that there is nothing to compare with."""

    dee: dict[str, float]
    """"clean", and for each corruption the mean over the severities."""
    ce: dict[str, float] | None
    """Corruption error: DEE by that of the reference, Monodepth2."""
    rr: dict[str, float] | None
    """Resilience rate: 1 - DEE by that of clean images."""
    mce: float | None
    """Mean CE of the 18 corruptions: lower is better."""
    mrr: float | None
    """Mean RR: higher is better."""


def robustness(clean: float, corrupted: Mapping[str, Mapping[int, float]]) -> Robustness:
    """clean: DEE of clean images; corrupted: by corruption and severity."""
    means = {name: fmean(by_severity.values()) for name, by_severity in corrupted.items()}
    if any(set(by_severity) != set(SEVERITIES) for by_severity in corrupted.values()):
        return Robustness({"clean": clean, **means}, None, None, None, None)
    ce = {name: 100 * mean / reference().dee[name] for name, mean in means.items()}
    rr = {name: 100 * (1 - mean) / (1 - clean) if clean < 1 else 0.0 for name, mean in means.items()}
    if set(means) != set(CORRUPTIONS):
        return Robustness({"clean": clean, **means}, ce, rr, None, None)
    return Robustness({"clean": clean, **means}, ce, rr, fmean(ce.values()), fmean(rr.values()))


@cache
def published() -> tuple[PublishedRow, ...]:
    content = json.loads(Path(__file__).with_name("published_robustness.json").read_text())
    return tuple(
        PublishedRow(**{**row, "dee": dict(zip(content["columns"], row["dee"], strict=True))})
        for row in content["rows"]
    )


def reference() -> PublishedRow:
    """Monodepth2 (ResNet-18, 640x192), whose errors are 100 %."""
    return published()[0]
