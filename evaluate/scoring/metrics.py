"""Every metric by name: what it means, its unit, which way is better, and its mean over images or over all pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from litemono.metrics import Errors, nine_errors


class Metric(NamedTuple):
    meaning: str
    """g: ground truth, p: prediction, e = log p - log g; means are over pixels."""
    unit: str = ""
    higher_is_better: bool = False
    root: bool = False
    """A root of a mean: pixels of several images are pooled by its square."""
    of_maps: bool = False
    """Of a whole image with dense ground truth, NaN for others; each of those images counts the same in every mean."""


METRICS: dict[str, Metric] = {
    "d1": Metric("share of max(g/p, p/g) < 1.25", higher_is_better=True),
    "d2": Metric("share of max(g/p, p/g) < 1.25^2", higher_is_better=True),
    "d3": Metric("share of max(g/p, p/g) < 1.25^3", higher_is_better=True),
    "abs_rel": Metric("mean |g-p| / g"),
    "sq_rel": Metric("mean (g-p)^2 / g", "m"),
    "rmse": Metric("root of mean (g-p)^2", "m", root=True),
    "rmse_log": Metric("root of mean e^2", root=True),
    "silog": Metric("100 times the standard deviation of e", "100 log m", root=True),
    "log10": Metric("mean |log10 p - log10 g|"),
    "mae": Metric("mean |g-p|", "m"),
    "irmse": Metric("root of mean (1/g - 1/p)^2", "1/km", root=True),
    "imae": Metric("mean |1/g - 1/p|", "1/km"),
    "sq_error_rel": Metric("100 times mean (g-p)^2 / g^2, KITTI's sqErrorRel", "%"),
    "d105": Metric("share of max(g/p, p/g) < 1.05", higher_is_better=True),
    "d110": Metric("share of max(g/p, p/g) < 1.1", higher_is_better=True),
    "bad_125": Metric("100 times the share of max(g/p, p/g) > 1.25, MiDaS's", "%"),
    "log_bias": Metric("mean e: above 0 where predictions are too far"),
    "edge_acc": Metric("distance of predicted edges to true ones", "px", of_maps=True),
    "edge_comp": Metric("distance of true edges to predicted ones", "px", of_maps=True),
}
NAMES = tuple(METRICS)
ROOTS = np.array([metric.root for metric in METRICS.values()])
OF_MAPS = np.array([metric.of_maps for metric in METRICS.values()])
BLOCK = 1024
EDGES = ("edge_acc", "edge_comp")
SILOG, RMSE_LOG, LOG_BIAS = (NAMES.index(name) for name in ("silog", "rmse_log", "log_bias"))


def depth_metrics(truth: np.ndarray, depth: np.ndarray) -> dict[str, float]:
    """All of METRICS for the valid pixels of one image, (N,) metres both, aligned and within the limits.

    NaN without pixels, and for those that are `of_maps`.
    The seven of Eigen et al. 2014 keep the arrays' own type, as published; the others are float64.
    """
    if not len(truth):
        return dict.fromkeys(METRICS, float("nan"))
    g, p = truth.astype(np.float64), depth.astype(np.float64)
    ratio, e = np.maximum(g / p, p / g), np.log(p) - np.log(g)
    difference, inverse = g - p, 1000 / g - 1000 / p
    return {name: float(value) for name, value in {
        **dict.fromkeys(METRICS, np.nan),
        **nine_errors(truth, depth),
        "mae": np.mean(abs(difference)),
        "irmse": np.sqrt(np.mean(inverse**2)),
        "imae": np.mean(abs(inverse)),
        "sq_error_rel": 100 * np.mean((difference / g) ** 2),
        "d105": np.mean(ratio < 1.05),
        "d110": np.mean(ratio < 1.1),
        "bad_125": 100 * np.mean(ratio > 1.25),
        "log_bias": np.mean(e),
    }.items()}  # fmt: skip


def errors_of(metrics: dict[str, float]) -> Errors:
    """The seven of Eigen et al. 2014 under their published names."""
    return Errors(*(metrics[name.replace("a", "d") if name in ("a1", "a2", "a3") else name] for name in Errors._fields))


@dataclass(frozen=True)
class Table:
    """Metrics of the images that had valid pixels, a row each: what means and intervals are made of."""

    values: np.ndarray
    """(images, metrics) float64 in the order of NAMES."""
    pixels: np.ndarray
    """(images,) float64: how many counted in each."""

    def sums(self, per_pixel: bool) -> tuple[np.ndarray, np.ndarray]:
        """(images, metrics) that add up over images, and the counts of the same shape to divide their sums by."""
        counts = np.where(OF_MAPS, ~np.isnan(self.values), 1.0)
        means = np.where(counts > 0, self.values, 0)
        if not per_pixel:
            return means, counts
        means = np.where(ROOTS, means**2, means)
        means[:, SILOG] = self.values[:, RMSE_LOG] ** 2  # the spread over all pixels needs mean e^2 and mean e
        counts = np.where(OF_MAPS, counts, self.pixels[:, None])
        return means * counts, counts

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: slice | np.ndarray) -> Table:
        return Table(self.values[rows], self.pixels[rows])

    def blocks(self) -> Iterator[slice]:
        """Rows to work on at once: what is computed of all of them takes more memory than the table."""
        return (slice(start, start + BLOCK) for start in range(0, len(self), BLOCK))

    def mean(self, per_pixel: bool = False) -> dict[str, float]:
        """Of each metric that an image has."""
        sums, counts = np.zeros((2, len(NAMES)))
        for rows in self.blocks():
            parts = self[rows].sums(per_pixel)
            sums, counts = sums + parts[0].sum(axis=0), counts + parts[1].sum(axis=0)
        means = finish(sums / np.where(counts, counts, np.nan), per_pixel)
        return {name: value for name, value, count in zip(NAMES, means.tolist(), counts, strict=True) if count}


def table_of(rows: Sequence[dict[str, float]], pixels: Sequence[int]) -> Table:
    values = np.array([[row[name] for name in NAMES] for row in rows], np.float64).reshape(-1, len(NAMES))
    return Table(values, np.array(pixels, np.float64))


def finish(means: np.ndarray, per_pixel: bool) -> np.ndarray:
    """(..., metrics) from sums over counts of `Table.sums`."""
    if not per_pixel:
        return means
    result = np.where(ROOTS, np.sqrt(np.abs(means)), means)
    spread = means[..., SILOG] - means[..., LOG_BIAS] ** 2
    result[..., SILOG] = 100 * np.sqrt(spread.clip(0))
    return result
