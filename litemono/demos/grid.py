"""The closing picture of a demo: rows of images below titles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from litemono.utils.atomic_files import replacing


def new_grid(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """A figure of `size` inches, and its (rows, columns) axes."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_grid(figure: Figure, axes: np.ndarray, titles: Sequence[str], path: Path, fontsize: int = 10) -> None:
    """Write a PNG with a title above each column."""
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=fontsize)
    for axis in axes.flat:
        axis.set_axis_off()
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=100)
