"""What the refine demo found: errors on the test street, and a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.demos.grid import new_grid, save_grid
from litemono.metrics import MAX_DEPTH, MIN_DEPTH, compute_errors
from litemono.predicting.names import DEPTH_PNG
from litemono.synthetic.frozen_depth import exact_depth
from litemono.synthetic.writer import DEPTH_UNITS, MASKS, RenderedWorld, drive_name
from networks.alignment import Alignment

SHOWN = 4  # test images in the closing picture
BRIGHT = 6.0  # metres from which on its depth is shown in the brightest colour
WORST = 0.5  # relative error in the brightest colour


class TestImage(NamedTuple):
    """A test image, its depth in metres (H, W) before and after refinement, and what is true."""

    image: Path
    given: np.ndarray
    aligned: np.ndarray
    refined: np.ndarray
    truth: np.ndarray  # 0 in the sky
    cars: np.ndarray  # bool


class Row(NamedTuple):
    """Errors of a way to get depth."""

    name: str
    all: tuple[float, float, float]
    """abs_rel, rmse, a1: means over the images."""
    cars: tuple[float, float, float]


def test_images(world: RenderedWorld, weights: Path, refined: Path) -> list[TestImage]:
    """The images of the last street. weights: of the refiner, whose scale and shift are the baseline; refined: its PNGs."""
    by = Alignment(**json.loads((weights / "network.json").read_text())["alignment"])
    number = world.settings.drives - 1
    found = []
    for frame in range(world.settings.frames_per_drive):
        image = KITTI_RAW.frame_path(world.folder, drive_name(number), frame, "l", ".png")
        below = image.relative_to(world.folder)
        given, after = metres(world.folder / "frozen" / below), metres(refined / f"{image.stem}{DEPTH_PNG}")
        aligned = np.clip(by.scale * given + by.shift, MIN_DEPTH, by.farthest)
        cars = np.asarray(Image.open(world.folder / MASKS / below)) > 0
        found.append(TestImage(image, given, aligned, after, exact_depth(world, number, frame), cars))
    return found


def metres(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(np.float32) / DEPTH_UNITS


def score(images: list[TestImage]) -> list[Row]:
    """The refined depth first, then what it started from."""
    names = {
        "refined": "refined",
        "aligned": "given, best scale and shift",
        "given": "given as it is",
    }
    return [Row(name, errors(images, field, False), errors(images, field, True)) for field, name in names.items()]


def errors(images: list[TestImage], field: str, only_cars: bool) -> tuple[float, float, float]:
    """abs_rel, rmse, a1 of a field of TestImage, up to MAX_DEPTH; means over the images that have such pixels."""
    rows = []
    for test in images:
        valid = (test.truth > MIN_DEPTH) & (test.truth < MAX_DEPTH) & (test.cars if only_cars else True)
        if valid.any():
            found = compute_errors(test.truth[valid], getattr(test, field)[valid])
            rows.append((found.abs_rel, found.rmse, found.a1))
    mean = np.mean(rows, axis=0)
    return float(mean[0]), float(mean[1]), float(mean[2])


def print_table(rows: list[Row], count: int) -> None:
    """The closing table."""
    table = Table(title=f"Depth of {count} test images of a street not trained on")
    for column in ("", "abs_rel", "rmse", "a1", "cars: abs_rel", "rmse", "a1"):
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(row.name, *(f"{value:.3f}" for value in (*row.all, *row.cars)))
    print()
    Console().print(table)
    print("abs_rel and rmse (metres): lower is better; a1: higher. Scale and shift are those of the training streets.")


def draw(images: list[TestImage], path: Path) -> None:
    """Some test images with their depth before and after, what is true, and the error that is left, in one picture."""
    chosen = [images[i] for i in np.linspace(0, len(images) - 1, min(SHOWN, len(images))).round().astype(int)]
    titles = ("image", "given, best scale and shift", "refined", "exact", f"relative error, 0 to {WORST}")
    figure, axes = new_grid(len(chosen), 5, (16, 1.2 * len(chosen)))
    for row, test in zip(axes, chosen, strict=True):
        row[0].imshow(np.asarray(Image.open(test.image)))
        seen = test.truth > 0
        for axis, depth in zip(row[1:4], (test.aligned, test.refined, test.truth), strict=True):
            axis.imshow(np.where(depth > 0, 1 / np.maximum(depth, MIN_DEPTH), 0), cmap="magma", vmin=0, vmax=1 / BRIGHT)
        error = np.where(seen, np.abs(test.refined - test.truth) / np.maximum(test.truth, MIN_DEPTH), 0)
        row[4].imshow(error, cmap="magma", vmin=0, vmax=WORST)
    save_grid(figure, axes, titles, path)
