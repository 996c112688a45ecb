"""Bringing a prediction to metres: scale, or scale and shift, of depth or of inverse depth.

Fits are in float64 by the normal equations. Where the prediction is constant, or one pixel is all there is, they have no
unique solution: then scale is 0 and shift the mean of the target, which is a least-squares answer (published code: 0 and 0).
A negative scale is kept: it is the least-squares answer too, and is counted in the report.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from ..protocol import Protocol

PredictionKind = Literal["depth", "disparity", "relative"]
SINGULAR = 1e-12  # of a_00 a_11: a determinant below this is 0 but for rounding
MIN_DISPARITY = 1e-3  # where no cap gives a limit; Marigold, Video-Depth-Anything
ZERO_DEPTH = 1e-8  # added to depth before its inverse is taken; Video-Depth-Anything
IN_DISPARITY = ("scale_shift_disparity", "per_video")


class BadPrediction(ValueError):
    """A prediction that no depth can be made of."""


class Fit(NamedTuple):
    """aligned = scale * prediction + shift."""

    scale: float
    shift: float = 0.0


class Moments(NamedTuple):
    """Sums over pixels from which a least-squares fit follows; those of several images can be added."""

    pp: float
    p: float
    n: float
    pt: float
    t: float

    def plus(self, other: Moments) -> Moments:
        return Moments(*(a + b for a, b in zip(self, other, strict=True)))


NO_PIXELS = Moments(0.0, 0.0, 0.0, 0.0, 0.0)


def moments(prediction: np.ndarray, target: np.ndarray) -> Moments:
    """Of the valid pixels, (N,) both."""
    p, t = prediction.astype(np.float64), target.astype(np.float64)
    return Moments(float(p @ p), float(p.sum()), float(len(p)), float(p @ t), float(t.sum()))


def solve(sums: Moments) -> Fit:
    """argmin sum (scale p + shift - t)^2; Ranftl et al. 2020, eq. 4."""
    determinant = sums.pp * sums.n - sums.p * sums.p
    if determinant <= SINGULAR * sums.pp * sums.n:
        return Fit(0.0, sums.t / sums.n)
    scale = (sums.n * sums.pt - sums.p * sums.t) / determinant
    shift = (sums.pp * sums.t - sums.p * sums.pt) / determinant
    return Fit(scale, shift)


def as_depth(values: np.ndarray, kind: PredictionKind) -> np.ndarray:
    if kind == "depth":
        return values
    with np.errstate(divide="ignore"):
        return 1 / values


def as_disparity(values: np.ndarray, kind: PredictionKind) -> np.ndarray:
    if kind != "depth":
        return values
    return 1 / np.maximum(values.astype(np.float64), ZERO_DEPTH)


def video_moments(prediction: np.ndarray, truth: np.ndarray, kind: PredictionKind) -> Moments:
    """What one image adds to the fit of its video: prediction and truth (metres) of its valid pixels, (N,) both."""
    return moments(as_disparity(prediction, kind), 1 / (truth.astype(np.float64) + ZERO_DEPTH))


def align(
    prediction: np.ndarray, truth: np.ndarray, protocol: Protocol, kind: PredictionKind, video: Fit | None = None
) -> tuple[np.ndarray, Fit | None]:
    """Depth in metres of the valid pixels within the protocol's limits, and the fit that was applied.

    prediction, truth: (N,) of the valid pixels, N > 0; truth in metres.
    video: the fit of the image's video, for per_video.
    Raises BadPrediction where median scaling has nothing to scale, or depth to fit is infinite.
    """
    fit: Fit | None
    if protocol.alignment in IN_DISPARITY:
        fit = video or solve(moments(as_disparity(prediction, kind), 1 / truth.astype(np.float64)))
    else:
        fit = _depth_fit(as_depth(prediction, kind) * protocol.pred_depth_scale, truth, protocol)
    return aligned(prediction, fit, protocol, kind), fit


def aligned(prediction: np.ndarray, fit: Fit | None, protocol: Protocol, kind: PredictionKind) -> np.ndarray:
    """Depth in metres within the protocol's limits, of a prediction of any shape, by a fit that `align` found."""
    if protocol.alignment in IN_DISPARITY:
        scale, shift = fit or Fit(1.0)
        lowest = MIN_DISPARITY if protocol.cap is None else 1 / protocol.cap
        depth = 1 / np.maximum(scale * as_disparity(prediction, kind) + shift, lowest)
    else:
        depth = as_depth(prediction, kind) * protocol.pred_depth_scale
        if fit is not None:
            depth = depth * fit.scale
            if fit.shift:
                depth = depth + fit.shift
    return depth.clip(protocol.min_depth, protocol.cap)


def _depth_fit(depth: np.ndarray, truth: np.ndarray, protocol: Protocol) -> Fit | None:
    if protocol.alignment == "none":
        return None
    if protocol.alignment == "median":
        median = np.median(depth)
        ratio = np.median(truth) / median if median else np.inf
        if not 0 < ratio < np.inf:
            raise BadPrediction(f"half of its {'depth' if ratio else 'disparity'} or more is 0")
        return Fit(ratio)
    if not np.isfinite(depth).all():
        raise BadPrediction("its disparity has values of 0, which no least-squares fit of depth can use")
    sums = moments(depth, truth)
    return Fit(sums.pt / sums.pp if sums.pp else 0.0) if protocol.alignment == "scale" else solve(sums)
