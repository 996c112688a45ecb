"""One prediction against its ground truth, and the figures of a whole set.

Order and number types follow the published code, so that its numbers come out to float precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from litemono.metrics import Errors

from ..protocol import Protocol
from ..windows import WINDOWS
from .alignment import BadPrediction, Fit, PredictionKind, align, aligned
from .distribution import Distribution, distribution_of
from .edges import edge_errors, is_dense
from .metrics import EDGES, Table, depth_metrics, errors_of, table_of
from .placing import resize

EDGE = 0.05  # share of the width on which flip post-processing trusts one of the two predictions
NOUNS = {"depth": "depth", "disparity": "disparity", "relative": "relative inverse depth"}
FARTHEST = 1000.0  # metres; a median depth beyond it means a wrong unit, whatever the scene


class ImageScore(NamedTuple):
    """Metrics of one image and how its prediction was aligned."""

    metrics: dict[str, float]
    pixels: int
    """Number of pixels that counted."""
    fit: Fit | None
    distribution: Distribution

    @property
    def errors(self) -> Errors:
        return errors_of(self.metrics)

    @property
    def ratio(self) -> float | None:
        """The factor that the alignment applied; None without it."""
        return None if self.fit is None else self.fit.scale


class Summary(NamedTuple):
    """Mean errors, and the median and relative spread of the scale ratios."""

    errors: Errors
    metrics: dict[str, float]
    ratio_median: float | None
    ratio_std: float | None
    """Standard deviation of ratio / median ratio."""


def valid_pixels(truth: np.ndarray, protocol: Protocol) -> np.ndarray:
    """(H, W) bool: the pixels of truth (H, W) metres that count."""
    valid, window = np.zeros(truth.shape, bool), WINDOWS[protocol.crop](*truth.shape)
    valid[window] = _measured(truth[window], protocol)
    return valid


def _measured(truth: np.ndarray, protocol: Protocol) -> np.ndarray:
    if not protocol.cap_truth:
        return truth > 0
    within = truth > protocol.min_depth
    return within if protocol.cap is None else within & (truth < protocol.cap)


def merge_flipped(disparity: np.ndarray, of_flipped: np.ndarray) -> np.ndarray:
    """Flip post-processing (Godard et al. 2017): (B, H, W) -> (B, H, W) float64.

    of_flipped: prediction for the mirrored image, mirrored back. The mean of both, except that each is replaced by the
    other at the border where its own camera saw less.
    """
    x = np.linspace(0, 1, disparity.shape[2])
    left = 1 - np.clip(20 * (x - EDGE), 0, 1)
    right = left[::-1]
    return right * disparity + left * of_flipped + (1 - left - right) * (0.5 * (disparity + of_flipped))


def check_values(prediction: np.ndarray, counted: np.ndarray, kind: PredictionKind) -> None:
    """Raise BadPrediction for maps that are negative where that has no meaning, and values that are not finite or all zero.

    prediction: (H, W); counted: (N,) its values where the truth counts. Elsewhere a program may mark pixels as nan.
    """
    if not np.isfinite(counted).all() or (kind != "relative" and (prediction < 0).any()):
        raise BadPrediction(f"its {NOUNS[kind]} has values that are {'negative or ' * (kind != 'relative')}not finite")
    if not counted.any():
        raise BadPrediction(f"its {NOUNS[kind]} is 0 everywhere")


class Counted(NamedTuple):
    """What is compared of one image: the pixels that count, and the maps that they come from."""

    truth: np.ndarray
    """(N,) metres, N > 0."""
    prediction: np.ndarray
    """(N,)."""
    truth_map: np.ndarray
    """(H, W) metres of the protocol's window, 0 where nothing was measured."""
    prediction_map: np.ndarray
    """(H, W) of the same window."""


def score_image(
    truth: np.ndarray,
    prediction: np.ndarray,
    protocol: Protocol,
    kind: PredictionKind = "disparity",
    video: Fit | None = None,
) -> ImageScore | None:
    """Compare truth (H, W) metres with a prediction of any size; None where no pixel counts.

    video: the fit of the image's video, where the protocol aligns per video.
    Raises BadPrediction for values that are negative or not finite, and where they leave nothing to align.
    """
    counted = counted_pixels(truth, prediction, protocol, kind)
    return None if counted is None else score_counted(counted, protocol, kind, video)


def counted_pixels(
    truth: np.ndarray, prediction: np.ndarray, protocol: Protocol, kind: PredictionKind
) -> Counted | None:
    """The pixels of truth (H, W) that count, and the resized prediction there, of its own kind; None where none counts."""
    window = WINDOWS[protocol.crop](*truth.shape)
    inside = truth[window]
    pixels = np.flatnonzero(_measured(inside, protocol))
    if not len(pixels):
        return None
    whole = prediction if prediction.shape == truth.shape else resize(prediction, *truth.shape)
    values = whole[window].ravel()[pixels]
    check_values(prediction, values, kind)
    return Counted(inside.ravel()[pixels], values, inside, whole[window])


def score_counted(counted: Counted, protocol: Protocol, kind: PredictionKind, video: Fit | None = None) -> ImageScore:
    """The score of one image; see score_image."""
    truth, values, *_ = counted
    depth, fit = align(values, truth, protocol, kind, video)
    if kind == "depth" and fit is None and np.median(values) * protocol.pred_depth_scale > FARTHEST:
        raise BadPrediction(f"its median depth is {np.median(values):.0f} m; is --png_factor right?")
    if not np.isfinite(depth).all():
        raise BadPrediction("its disparity has values of 0, and the protocol has no cap")
    metrics = depth_metrics(truth, depth)
    if is_dense(counted.truth_map):
        metrics.update(zip(EDGES, _edges(counted, protocol, kind, fit), strict=True))
    return ImageScore(metrics, len(truth), fit, distribution_of(truth, depth))


def _edges(counted: Counted, protocol: Protocol, kind: PredictionKind, fit: Fit | None) -> tuple[float, float]:
    """Errors at depth edges; truth beyond the cap, such as sky, is set to the cap."""
    truth = np.where(counted.truth_map > 0, counted.truth_map.clip(protocol.min_depth, protocol.cap), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = aligned(counted.prediction_map, fit, protocol, kind)
    return edge_errors(truth, np.nan_to_num(depth, nan=1, posinf=FARTHEST))


def summarise(scores: list[ImageScore], per_pixel: bool = False) -> Summary:
    """Mean over images, each counting the same however many pixels it has, or over all pixels.

    `scores` must not be empty.
    """
    table = table_of([score.metrics for score in scores], [score.pixels for score in scores])
    return summary_of(table, [score.ratio for score in scores if score.ratio is not None], per_pixel)


def summary_of(table: Table, scale_ratios: Sequence[float] | np.ndarray, per_pixel: bool) -> Summary:
    """The same of a table; scale_ratios: of the images that were aligned."""
    metrics = table.mean(per_pixel)
    ratios = np.array(scale_ratios, dtype=np.float64)
    if not len(ratios):
        return Summary(errors_of(metrics), metrics, None, None)
    median = float(np.median(ratios))
    return Summary(errors_of(metrics), metrics, median, float(np.std(ratios / median)) if median else 0.0)
