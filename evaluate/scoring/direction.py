"""Whether predictions are what --pred_is says: disparity falls with true depth, depth grows with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from litemono.utils.errors import UserError

from .alignment import PredictionKind

JUDGED, SAMPLED = 50, 2000  # images, and pixels of each, whose ranks are compared with those of the truth
WRONG_WAY = 0.3  # a useful prediction's correlation is beyond 0.5 in its own direction, noise is near 0


def rank_correlation(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Spearman's, of the pixels that count, (N,) both; nan where one of them is constant."""
    step = len(truth) // SAMPLED + 1
    first, second = (
        np.unique(values[::step], return_inverse=True)[1].astype(np.float64) for values in (truth, prediction)
    )
    if not first.any() or not second.any():  # all of rank 0
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def check_direction(path: Path, kind: PredictionKind, correlations: Sequence[float]) -> None:
    """Raise UserError where predictions in `path` are depth but given as disparity, or the other way round.

    correlations: with the true depth, of the first images; a relative prediction's sign is fitted, and not judged here.
    """
    found = [value for value in correlations if np.isfinite(value)]
    middle = float(np.median(found)) if found else 0.0
    if kind == "disparity" and middle > WRONG_WAY:
        raise UserError(
            f"--pred {path}: its numbers grow with the true depth (rank correlation {middle:.2f}), so these are depths, not "
            "disparities; give --pred_is depth, or save 1 / depth and evaluate that"
        )
    if kind == "depth" and middle < -WRONG_WAY:
        raise UserError(
            f"--pred {path}: its numbers fall with the true depth (rank correlation {middle:.2f}), so these are disparities, "
            "not depths; give --pred_is disparity, or relative where they are inverse depth up to scale and shift"
        )
