"""What the segment demo found: the network's masks and depths beside simple ones, and a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from litemono.data.datasets.composites import split_by_background
from litemono.data.stores.composites import Composite, PackedComposites
from litemono.demos.grid import new_grid, save_grid
from litemono.synthetic.composite_baselines import best_masks, compensated_difference, difference
from litemono.tasks.depth_mask.metrics import METRICS, Scores, means, score_picture
from litemono.tasks.depth_mask.settings import AccuracyConfig

SHOWN = 5  # test pictures in the closing picture
BRIGHT = 0.5  # depth value (255 x 1 m / depth, / 255) in the brightest colour
WORST = 0.1  # error of depth in the brightest colour


class TestPictures(NamedTuple):
    """The held-out pictures, and what is predicted for them."""

    samples: list[Composite]
    scores: list[Scores]
    """Of the network, as segment_apply wrote them."""
    masks: list[np.ndarray]  # (H, W) uint8, 0 or 255
    depths: list[np.ndarray]  # (H, W) uint8
    differences: tuple[list[np.ndarray], list[np.ndarray]]  # (H, W) bool: masks by difference, plain and compensated
    thresholds: tuple[int, int]  # of these, chosen on the test pictures
    mean_depth: np.ndarray  # (H, W) uint8, of the training pictures


def test_pictures(packed: Path, predictions: Path) -> TestPictures:
    """packed: the data; predictions: the output of litemono.segment_apply."""
    store = PackedComposites(packed)
    train, held_out = (split_by_background(store.lines, which) for which in ("train", "val"))
    samples = [store.read(line) for line in held_out]
    numbers = json.loads((predictions / "metrics.json").read_text())["pictures"]
    found = [Scores(**numbers[f"{line.folder}_{line.frame}"]) for line in held_out]
    masks, depths = (
        [np.asarray(Image.open(predictions / f"{store.stems[line]}_{kind}.png")) for line in held_out]
        for kind in ("mask", "depth")
    )
    pairs, truths = [(s.background, s.picture) for s in samples], [s.mask > 0 for s in samples]
    plain, compensated = (best_masks(pairs, truths, of) for of in (difference, compensated_difference))
    mean = np.mean([store.read(line).depth for line in train], axis=0).round().astype(np.uint8)
    return TestPictures(samples, found, masks, depths, (plain[1], compensated[1]), (plain[0], compensated[0]), mean)


def score(found: TestPictures) -> list[tuple[str, dict[str, float]]]:
    """METRICS of each way to get masks and depths, the network's first."""
    rows = [("cnn, trained here", found.scores)]
    names = ("difference", "difference, exposure matched, median of 3 x 3")
    for name, threshold, masks in zip(names, found.thresholds, found.differences, strict=True):
        simple = [
            _score(np.stack([mask * np.uint8(255), found.mean_depth]), sample)
            for mask, sample in zip(masks, found.samples, strict=True)
        ]
        rows.append((f"{name}, best threshold ({threshold}); mean depth", simple))
    return [(name, means(scores, AccuracyConfig())) for name, scores in rows]


def _score(prediction: np.ndarray, sample: Composite) -> Scores:
    return score_picture(prediction, sample.mask[None] * np.uint8(255), sample.depth[None])


def print_table(rows: list[tuple[str, dict[str, float]]], found: TestPictures) -> None:
    """The closing table."""
    table = Table(title=f"{len(found.samples)} pictures of rooms not trained on")
    for column in ("", *METRICS):
        table.add_column(column, justify="right" if column else "left")
    for name, numbers in rows:
        table.add_row(name, *(f"{numbers[metric]:.3f}" for metric in METRICS))
    print()
    Console(width=max(120, Console().width)).print(table)
    print(
        "Accuracies are shares of pictures whose SSIM is above 0.90 (mask) and 0.50 (depth). depth_mae: lower is better,"
    )
    print(
        "the others: higher. The thresholds were chosen on the test pictures themselves; the mean depth is of the others."
    )


def draw(found: TestPictures, path: Path) -> None:
    """Some test pictures with their masks and depths in one picture."""
    chosen = np.linspace(0, len(found.samples) - 1, min(SHOWN, len(found.samples))).round().astype(int)
    titles = (
        "background",
        "picture",
        "difference",
        "cnn: mask",
        "true mask",
        "cnn: depth",
        "true depth",
        "error of depth",
    )
    figure, axes = new_grid(len(chosen), 8, (12, 1.55 * len(chosen)))
    for row, index in zip(axes, chosen, strict=True):
        sample, compensated = found.samples[index], found.differences[1][index]
        row[0].imshow(sample.background.transpose(1, 2, 0))
        row[1].imshow(sample.picture.transpose(1, 2, 0))
        for axis, mask in zip(row[2:5], (compensated, found.masks[index], sample.mask), strict=True):
            axis.imshow(mask > 0, cmap="gray", vmin=0, vmax=1)
        ours, truth = found.depths[index] / 255, sample.depth / 255
        for axis, depth in zip(row[5:7], (ours, truth), strict=True):
            axis.imshow(depth, cmap="magma", vmin=0, vmax=BRIGHT)
        row[7].imshow(np.abs(ours - truth), cmap="magma", vmin=0, vmax=WORST)
    save_grid(figure, axes, titles, path, fontsize=9)
