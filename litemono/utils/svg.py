"""Figures as inline SVG for HTML pages, with grey lines that can be read on a light and on a dark page."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  # after the backend is chosen

COLOURS = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#eab308", "#06b6d4", "#ec4899")
GREY = "#8a8f98"
STYLE: Any = {
    "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY, "xtick.color": GREY, "ytick.color": GREY,
    "axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "litemono",
    "legend.frameon": False, "legend.labelcolor": GREY,
}  # fmt: skip


def svg(figure: Figure) -> str:
    """The <svg> element alone; closes the figure."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None}, dpi=150)
    plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]
