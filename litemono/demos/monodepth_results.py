"""What the monodepth demo found: its errors beside those of simpler guesses, and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.splits import read_split, split_file
from litemono.demos.grid import new_grid, save_grid
from litemono.metrics import MAX_DEPTH, Errors
from litemono.synthetic import baselines
from litemono.synthetic.writer import RenderedWorld

SHOWN = 4  # test images in the closing picture
BRIGHT = 6.0  # metres from which on its depth is shown in the brightest colour


def score(world: RenderedWorld, model: str, trained: Path, untrained: Path) -> list[tuple[str, Errors]]:
    """What each way of guessing depth makes of the test images, the trained network first.

    trained, untrained: folders of weights, with their results of the evaluate command.
    """
    truths = ground_truth(world)
    name = f"eval_{world.split.name}.json"
    metres, fixed = baselines.best(truths, baselines.constant, median_scaling=False)
    end, walled = baselines.best(truths, baselines.flat_road, median_scaling=True)
    return [
        (f"{model}, trained here", errors_in(trained / name)),
        (f"{model}, untrained", errors_in(untrained / name)),
        ("one depth per image", baselines.mean_errors(truths, baselines.constant, 1.0, median_scaling=True)),
        (f"one depth for all images, the best ({metres:.1f} m)", fixed),
        (
            "a flat road, far away from the horizon up",
            baselines.mean_errors(truths, baselines.flat_road, MAX_DEPTH, median_scaling=True),
        ),
        (f"a flat road up to a wall, the best ({end:.1f} m)", walled),
    ]


def ground_truth(world: RenderedWorld) -> list[np.ndarray]:
    """(H, W) float32 metres of each test image, as export_gt wrote them; 0 where there is no point."""
    with np.load(world.folder / f"gt_depths_{world.split.name}.npz") as file:
        return [file[f"{index:04d}"] for index in range(len(file["lines"]))]


def errors_in(path: Path) -> Errors:
    """Of a results file of the evaluate command."""
    return Errors(*(json.loads(path.read_text())["metrics"][name] for name in Errors._fields))


# ---------------------------------------------------------------- what to look at


def draw(world: RenderedWorld, model: str, pictures: Path, path: Path) -> None:
    """Some test images, the depth predicted for them (in `pictures`) and what the scanner measured, in one picture."""
    lines = read_split(split_file(str(world.split), "test"))
    truth = ground_truth(world)
    chosen = np.linspace(0, len(lines) - 1, min(SHOWN, len(lines))).round().astype(int)
    shades = {"cmap": "magma", "vmin": 0, "vmax": 1 / BRIGHT}
    titles = ("image", f"{model}: depth", "lidar")
    figure, axes = new_grid(len(chosen), 3, (12, 1.35 * len(chosen)))
    for row, index in zip(axes, chosen, strict=True):
        line, measured = lines[int(index)], truth[index]
        image = np.asarray(Image.open(KITTI_RAW.frame_path(world.folder, *line, ".png")))
        disparity = np.load(pictures / f"{line.frame:010d}_disp.npy")[0, 0]
        disparity = cv2.resize(disparity, measured.shape[::-1])
        seen = measured > 0
        scale = np.median(disparity[seen]) * np.median(measured[seen])  # as median scaling does in evaluate
        row[0].imshow(image)
        row[1].imshow(disparity / scale, **shades)
        row[2].imshow(np.zeros_like(measured), **shades)
        v, u = np.nonzero(seen)
        row[2].scatter(u, v, 2.5, c=1 / measured[seen], linewidths=0, **shades)
    save_grid(figure, axes, titles, path)


def print_table(world: RenderedWorld, rows: list[tuple[str, Errors]]) -> None:
    """The closing table."""
    table = Table(
        title=f"Depth of {len(read_split(world.split / 'test_files.txt'))} test images of a street not trained on"
    )
    for column in ("", "abs_rel", "rmse", "a1"):
        table.add_column(column, justify="right" if column else "left")
    for name, errors in rows:
        table.add_row(name, f"{errors.abs_rel:.3f}", f"{errors.rmse:.2f}", f"{errors.a1:.3f}")
    print()
    Console().print(table)
    print(
        "abs_rel and rmse: lower is better; a1: higher. All but the one depth for all images are scaled to each image's"
    )
    print("true median, as the field does; what is called the best was chosen on the test images themselves.")
