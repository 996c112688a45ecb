"""What evaluate --corruptions found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RobustnessResult:
    """What JSON holds."""

    split: str
    gt_path: str
    images: int
    evaluated: int
    weights: str
    model: str
    height: int
    width: int
    frost: str
    """photos or drawn."""
    severities: tuple[int, ...]
    protocol: dict[str, Any]
    clean: dict[str, float]
    """Every metric of scoring/metrics.py, of clean images."""
    corruptions: dict[str, dict[int, dict[str, float]]]
    """The same by corruption and severity."""
    dee: dict[str, float]
    """See scores.Robustness."""
    ce: dict[str, float] | None
    rr: dict[str, float] | None
    mce: float | None
    mrr: float | None
    code: dict[str, str]
    """Version, commit and changes of the code that evaluated, and the command; see provenance.py."""
    training: list[dict[str, str]]
    """The same of the code that trained the weights, as often as it changed; [] where that is not known."""
