"""Validation of refinement: eight errors of each image, of all pixels and of objects, beside those of what it started from."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from litemono.engine.task import Mean
from litemono.metrics import compute_errors

ERRORS = ("mae", "sq_rel", "abs_rel", "rmse", "rmsle", "d1", "d2", "d3")
OBJECTS = "objects/"
"""Before the name of an error over the pixels of objects."""
AFFINE, INPUT = "affine/", "input/"
"""Before the names of the errors of the given depth: after the best global scale and shift, and as it is."""


def refine_errors(truth: Tensor, depth: Tensor) -> dict[str, float]:
    """ERRORS of the same pixels, (N,) metres each, N > 0, all positive. Eigen et al. 2014; rmsle: of log(x + 1)."""
    seven = compute_errors(truth, depth)._asdict()
    named = {name.replace("a", "d") if name in ("a1", "a2", "a3") else name: value for name, value in seven.items()}
    named["mae"] = (truth - depth).abs().mean()
    named["rmsle"] = (truth.log1p() - depth.log1p()).square().mean().sqrt()
    return {name: float(named[name]) for name in ERRORS}


def means(rows: Mapping[str, Tensor], truth: Tensor, valid: Tensor, objects: Tensor | None) -> dict[str, Mean]:
    """Of each image that has such pixels. rows: depth (B, H, W) metres by what stands before its errors' names.

    valid: (B, H, W) bool; objects: the same, None without masks.
    """
    groups = {"": valid} if objects is None else {"": valid, OBJECTS: valid & objects}
    found: dict[str, Mean] = {}
    for row, depth in rows.items():
        for group, pixels in groups.items():
            errors = [
                refine_errors(t[p].double(), d[p].double())
                for t, d, p in zip(truth, depth, pixels, strict=True)
                if p.any()
            ]
            for name in ERRORS:
                found[row + group + name] = Mean(sum(error[name] for error in errors), len(errors))
    return found
