"""The settings and figures of one evaluation: as JSON beside the weights, and as a table in the terminal."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evaluate.protocol import Protocol, Summary
from litemono.metrics import Errors
from litemono.utils.atomic_files import replacing

NAMED = 10  # skipped images that are printed


@dataclass(frozen=True)
class Result:
    """What JSON holds; every field but the last two says how the figures came about."""

    split: str
    """As given: a name in splits/ or the path of a folder."""
    gt_path: str
    images: int
    evaluated: int
    skipped: list[str]
    """Lines of the split whose ground truth has no valid pixel."""
    weights: str | None
    """Weights folder; None for disparities from a file."""
    predictions: str | None
    """File of disparities; None for a network."""
    model: str | None
    height: int
    width: int
    min_depth: float | None
    max_depth: float | None
    imagenet_backbone: bool | None
    """Whether the run started from an ImageNet encoder; None where that is not known."""
    crop: bool
    median_scaling: bool
    pred_depth_scale: float
    post_process: bool
    metrics: dict[str, float]
    scale_ratios: dict[str, float] | None
    """Of median scaling: median, and std of ratio / median."""


def file_name(split_name: str, protocol: Protocol, post_process: bool, size: tuple[int, int] | None) -> str:
    """eval_SPLIT.json, with a suffix for each setting that is not the published one.

    size: height and width of the network's input where it is not the one it was trained at.
    """
    suffixes = [] if size is None else [f"_{size[1]}x{size[0]}"]
    suffixes += ["_pp"] * post_process + ["_unscaled"] * (not protocol.median_scaling)
    if protocol.pred_depth_scale != 1:
        suffixes.append(f"_x{protocol.pred_depth_scale:g}")
    return f"eval_{split_name}{''.join(suffixes)}.json"


def figures(summary: Summary) -> tuple[dict[str, float], dict[str, float] | None]:
    """`metrics` and `scale_ratios` of a Result."""
    ratios = None
    if summary.ratio_median is not None:
        ratios = {"median": summary.ratio_median, "std": summary.ratio_std}
    return summary.errors._asdict(), ratios


def write(path: Path, result: Result) -> None:
    with replacing(path) as file:
        file.write((json.dumps(dataclasses.asdict(result), indent=2) + "\n").encode())


def show(result: Result) -> None:
    """Print the table, the scale ratios and what was left out."""
    title = f"{result.weights or result.predictions}: {result.split}, {result.evaluated} images"
    table = Table(title=escape(title))
    for name in Errors._fields:
        table.add_column(name, justify="right")
    table.add_row(*(f"{result.metrics[name]:.3f}" for name in Errors._fields))
    console = Console(width=None if Console().is_terminal else 100)
    console.print(table)
    lines = []
    if result.scale_ratios:
        lines.append("scale ratios: median {median:.3f}, std/median {std:.3f}".format(**result.scale_ratios))
    else:
        lines.append(f"no median scaling; depth times {result.pred_depth_scale:g}")
    if result.skipped:
        more = ", ..." if len(result.skipped) > NAMED else ""
        lines.append(
            f"{len(result.skipped)} images without valid ground truth left out: {', '.join(result.skipped[:NAMED])}{more}"
        )
    print("\n".join(lines))
