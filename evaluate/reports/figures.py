"""The figures of a report as inline SVG, with grey lines that can be read on a light and on a dark page."""

from __future__ import annotations

from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from litemono.utils.svg import COLOURS, GREY, STYLE, svg

from ..evaluation import Evaluation
from ..scoring.distribution import DEPTHS, ERRORS

SIZE = (3.6, 2.7)


def all_figures(names: list[str], done: list[Evaluation]) -> list[dict[str, str]]:
    """Title, caption and SVG of each."""
    figures = [
        {"title": "Errors", "caption": "Share of pixels by |g − p| / g; the last bar also holds all above.",
         "svg": _error_histogram(names, done)},
        {"title": "Error over distance", "caption": "Mean |g − p| / g of the pixels in each bin of true distance.",
         "svg": _over_distance(names, done, "abs_rel", "abs_rel")},
        {"title": "Bias over distance", "caption": "Mean (p − g) / g: above 0 where predictions are too far.",
         "svg": _over_distance(names, done, "bias", "bias")},
    ]  # fmt: skip
    return figures + [
        {"title": f"Prediction against truth: {name}", "caption": "Pixels by true and predicted depth; on the line both agree.",
         "svg": _joint(evaluation)} for name, evaluation in zip(names, done, strict=True)
    ]  # fmt: skip


def validation_curve(entries: list[dict[str, Any]]) -> str:
    """Loss and abs_rel on validation images over the epochs of the run; "" where there are not two."""
    names = [name for name in ("loss", "abs_rel") if entries and all(name in entry["validation"] for entry in entries)]
    if len(entries) < 2 or not names:
        return ""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(names), figsize=(SIZE[0] * len(names), SIZE[1]), squeeze=False)
        for axis, name in zip(axes[0], names, strict=True):
            values = [entry["validation"][name] for entry in entries]
            axis.plot([entry["epoch"] for entry in entries], values, marker=".", color=COLOURS[0])
            axis.set(xlabel="epoch", title=f"{name}, validation images")
        return svg(figure)


def _error_histogram(names: list[str], done: list[Evaluation]) -> str:
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=SIZE)
        for name, evaluation, colour in zip(names, done, COLOURS * len(done), strict=False):
            counts = evaluation.scores.distribution.errors
            axis.stairs(counts / counts.sum(), ERRORS, label=name, color=colour, fill=len(done) == 1, alpha=0.9)
        axis.set(xlabel="|g − p| / g", ylabel="share of pixels", xlim=(0, ERRORS[-1]))
        if len(done) > 1:
            axis.legend()
        return svg(figure)


def _over_distance(names: list[str], done: list[Evaluation], column: str, label: str) -> str:
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=SIZE)
        for name, evaluation, colour in zip(names, done, COLOURS * len(done), strict=False):
            table = evaluation.result.by_distance
            ends = [
                to if to is not None else start + 20 for start, to in zip(table["from_m"], table["to_m"], strict=True)
            ]
            middles = (np.array(table["from_m"]) + np.array(ends)) / 2
            axis.plot(middles, table[column], marker=".", label=name, color=colour)
        axis.axhline(0, color=GREY, linewidth=0.6)
        axis.set(xlabel="true distance (m)", ylabel=label)
        if len(done) > 1:
            axis.legend()
        return svg(figure)


def _joint(evaluation: Evaluation) -> str:
    joint = evaluation.scores.distribution.joint.T
    shown = np.ma.masked_equal(np.log10(np.maximum(joint, 1e-9), where=joint > 0, out=np.zeros_like(joint)), 0)
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(3.4, 3.2))
        axis.pcolormesh(DEPTHS, DEPTHS, shown, cmap="viridis", rasterized=True)
        axis.plot(DEPTHS[[0, -1]], DEPTHS[[0, -1]], color="#ef4444", linewidth=1)
        axis.set(xscale="log", yscale="log", xlabel="true depth (m)", ylabel="predicted depth (m)", aspect="equal")
        for place in (axis.xaxis, axis.yaxis):
            place.set_major_locator(matplotlib.ticker.FixedLocator([1, 2, 5, 10, 20, 40, 80]))
            place.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%d"))
            place.set_minor_locator(matplotlib.ticker.NullLocator())
        return svg(figure)
