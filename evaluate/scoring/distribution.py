"""How errors are distributed over distance and size, added up pixel by pixel over a whole set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

DISTANCES = np.array([0, 5, 10, 15, 20, 30, 40, 50, 60, 80, np.inf])  # metres
ERRORS = np.linspace(0, 0.5, 51)  # of |g - p| / g; the last bin also has all above
DEPTHS = np.geomspace(1, 80, 49)  # metres; nearer and farther pixels count in the first and last bin


@dataclass
class Distribution:
    """Of ground truth g and aligned prediction p, over pixels."""

    by_distance: np.ndarray = field(default_factory=lambda: np.zeros((5, len(DISTANCES) - 1)))
    """(5, bins of g): pixels, sums of |g-p|/g, (p-g)/g, (g-p)^2, and how many have max(g/p, p/g) < 1.25."""
    errors: np.ndarray = field(default_factory=lambda: np.zeros(len(ERRORS) - 1))
    """(bins of |g-p|/g,) pixels."""
    joint: np.ndarray = field(default_factory=lambda: np.zeros((len(DEPTHS) - 1, len(DEPTHS) - 1)))
    """(bins of g, bins of p) pixels."""

    def add(self, other: Distribution) -> None:
        self.by_distance += other.by_distance
        self.errors += other.errors
        self.joint += other.joint

    def distance_table(self) -> dict[str, list[Any]]:
        """The filled bins of distance for JSON: their edges in metres, pixels, and means."""
        filled = self.by_distance[0] > 0
        pixels, relative, signed, squared, close = self.by_distance[:, filled]
        upper = [None if edge == np.inf else float(edge) for edge in DISTANCES[1:][filled]]
        return {
            "from_m": DISTANCES[:-1][filled].tolist(),
            "to_m": upper,
            "pixels": pixels.astype(int).tolist(),
            "abs_rel": (relative / pixels).tolist(),
            "bias": (signed / pixels).tolist(),
            "rmse": np.sqrt(squared / pixels).tolist(),
            "d1": (close / pixels).tolist(),
        }


def distribution_of(truth: np.ndarray, depth: np.ndarray) -> Distribution:
    """Of one image: (N,) metres both."""
    g, p = truth.astype(np.float32, copy=False), depth.astype(np.float32, copy=False)
    relative = (p - g) / g
    error, bins = np.abs(relative), np.searchsorted(DISTANCES, g, side="right") - 1
    weights = (None, error, relative, (p - g) ** 2, np.maximum(g / p, p / g) < 1.25)
    count = len(DISTANCES) - 1
    by_distance = np.stack([np.bincount(bins, weight, count).astype(np.float64) for weight in weights])
    errors = np.bincount(np.minimum((error * 100).astype(np.int64), len(ERRORS) - 2), minlength=len(ERRORS) - 1)
    depths = len(DEPTHS) - 1
    joint = np.bincount(_depth_bin(g) * depths + _depth_bin(p), minlength=depths * depths).reshape(depths, depths)
    return Distribution(by_distance, errors.astype(np.float64), joint.astype(np.float64))


def _depth_bin(depth: np.ndarray) -> np.ndarray:
    bins = len(DEPTHS) - 1
    return (np.log(depth) * (bins / np.log(DEPTHS[-1]))).astype(np.int64).clip(0, bins - 1)  # DEPTHS begins at 1 m
