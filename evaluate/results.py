"""The settings and figures of one evaluation: as JSON beside the weights, and as a table in the terminal."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table as PrintedTable

from litemono.metrics import Errors
from litemono.utils.atomic_files import replacing
from litemono.utils.typed_json import fits

from .keys import Key, video_of
from .protocol import EIGEN_METRICS, PRESETS, Protocol, changed, changes, default_protocol, describe
from .scoring.intervals import group_numbers, intervals
from .scoring.metrics import EDGES, METRICS, NAMES, Table
from .scoring.one_image import Summary
from .sources.sequences import Mapped

Column = list[Any] | Mapped[Any, Any]  # as read from JSON; as computed
NAMED = 10  # skipped images that are printed
TEXT_AT_ONCE = 1024  # images whose part of a column is text in memory


@dataclass(frozen=True)
class Result:
    """What JSON holds: the figures, and how they came about."""

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
    """The seven of Eigen et al. 2014, under their published names."""
    scale_ratios: dict[str, float] | None
    """Of the alignment: median, and std of ratio / median."""
    data: str = "kitti"
    """The data set."""
    params: int | None = None
    """Parameters of the network."""
    macs: int | None = None
    """Multiply-accumulates of the network for one image."""
    metric_head: dict[str, float] | None = None
    """Scale and shift that made metres of relative depth."""
    protocol: dict[str, Any] = field(default_factory=dict)
    """Every part of it; {} in files of earlier versions."""
    all_metrics: dict[str, float] = field(default_factory=dict)
    """Each of scoring.metrics.METRICS that images have: those of edges with dense ground truth only."""
    pred_is: str = "disparity"
    missing: list[str] = field(default_factory=list)
    """Images without prediction, left out by --allow_missing."""
    unused: int = 0
    """Predictions without ground truth."""
    pasted: int = 0
    """Predictions of 352x1216 pixels that were put in their place; ground truth around them did not count."""
    negative_slopes: int = 0
    """Images whose fit turned near and far around."""
    intervals: dict[str, dict[str, list[float]] | None] = field(default_factory=dict)
    """95 % bootstrap intervals of all_metrics: {"images": {name: [low, high]}, "drives": ...}; None of fewer than two."""
    against: dict[str, Any] | None = None
    """Paired differences to another result; see paired_difference.against."""
    by_distance: dict[str, list] = field(default_factory=dict)
    """Means over the pixels of each bin of true distance; see scoring.distribution.Distribution."""
    code: dict[str, str] = field(default_factory=dict)
    """Version, commit and changes of the code that evaluated, and the command; see provenance.py."""
    training: list[dict[str, str]] = field(default_factory=list)
    """The same of the code that trained the weights, as often as it changed; [] where that is not known."""
    per_image: dict[str, Column] = field(default_factory=dict)
    """Columns: image, drive, pixels, and each metric."""


def file_name(split_name: str, protocol: Protocol, size: tuple[int, int] | None) -> str:
    """eval_SPLIT.json, with a suffix for each setting that is not the published one.

    size: height and width of the network's input where it is not the one it was trained at.
    """
    suffixes = [] if size is None else [f"_{size[1]}x{size[0]}"]
    if protocol.name != default_protocol(split_name).name:
        suffixes.append(f"_{protocol.name}")
    different = changes(protocol)
    suffixes += ["_pp"] * protocol.post_process
    if "alignment" in different:
        suffixes.append("_unscaled" if protocol.alignment == "none" else f"_{protocol.alignment}")
    if protocol.pred_depth_scale != 1:
        suffixes.append(f"_x{protocol.pred_depth_scale:g}")
    if "crop" in different:
        suffixes.append(f"_crop-{protocol.crop}")
    if "cap" in different:
        suffixes.append("_uncapped" if protocol.cap is None else f"_{protocol.cap:g}m")
    suffixes += [f"_per-{protocol.averaging}"] * ("averaging" in different)
    return f"eval_{split_name}{''.join(suffixes)}.json"


def protocol_fields(protocol: Protocol) -> dict[str, Any]:
    """The fields of a Result that say how predictions were judged."""
    return {
        "crop": protocol.crop != "none",
        "median_scaling": protocol.median_scaling,
        "pred_depth_scale": protocol.pred_depth_scale,
        "post_process": protocol.post_process,
        "protocol": dataclasses.asdict(protocol),
    }


def protocol_in(result: Result) -> Protocol:
    """The protocol of a result that was read from JSON; of files of earlier versions, what they say of it.

    Raises TypeError, ValueError or KeyError where it is none.
    """
    if not result.protocol:
        return changed(
            PRESETS["eigen" if result.crop else "eigen_benchmark"],
            alignment=None if result.median_scaling else "none",
            post_process=result.post_process or None,
            pred_depth_scale=result.pred_depth_scale,
        )
    parts: dict[str, Any] = {
        name: tuple(part) if isinstance(part, list) else part for name, part in result.protocol.items()
    }
    if parts["name"] not in PRESETS:
        raise ValueError(f"no protocol {parts['name']}")
    _check_types(Protocol, parts)
    headline = parts.get("headline", EIGEN_METRICS)
    if not headline or not METRICS.keys() >= {*headline}:
        raise ValueError("its protocol has metrics that there are not")
    return Protocol(**parts)


def per_image(table: Table, keys: Sequence[Key]) -> dict[str, Column]:
    """The columns of Result.per_image, computed when they are read. keys: of the table's images.

    No column where no image has the metric.
    """
    columns = zip(NAMES, table.values.T, strict=True)
    return {
        "image": Mapped("/".join, keys),
        "drive": Mapped(video_of, keys),
        "pixels": Mapped(int, table.pixels),
        **{name: Mapped(_seven_digits, column) for name, column in columns if not np.isnan(column).all()},
    }


def _seven_digits(value: float) -> float | None:
    """As many as float32 has; None where an image does not have the metric."""
    return None if math.isnan(value) else float(f"{value:.7g}")


def both_intervals(table: Table, drives: Iterable[str], protocol: Protocol) -> dict[str, Any]:
    """Result.intervals. drives: of the table's images."""
    per_pixel = protocol.averaging == "pixel"
    return {
        "images": intervals(table, np.arange(len(table)), per_pixel),
        "drives": intervals(table, group_numbers(drives), per_pixel),
    }


def figures(summary: Summary) -> dict[str, Any]:
    """The fields of a Result that hold figures."""
    ratios = None
    if summary.ratio_median is not None:
        ratios = {"median": summary.ratio_median, "std": summary.ratio_std}
    return {"metrics": summary.errors._asdict(), "scale_ratios": ratios, "all_metrics": summary.metrics}


def write(path: Path, result: Result) -> None:
    with replacing(path) as file:
        for part in _as_text(result):
            file.write(part.encode())


def _as_text(result: Result) -> Iterator[str]:
    """JSON for people, in parts: each column of per_image on one line."""
    fields = dataclasses.asdict(dataclasses.replace(result, per_image={}))
    del fields["per_image"]
    yield f'{json.dumps(fields, indent=2)[:-2]},\n  "per_image": {{'
    for place, (name, column) in enumerate(result.per_image.items()):
        yield f"{',' if place else ''}\n    {json.dumps(name)}: ["
        for start in range(0, len(column), TEXT_AT_ONCE):
            some = [column[index] for index in range(start, min(start + TEXT_AT_ONCE, len(column)))]
            yield f"{', ' if start else ''}{json.dumps(some)[1:-1]}"
        yield "]"
    yield "\n  }\n}\n"


def _check_types(cls: type, values: dict[str, Any]) -> None:
    """ValueError for a value that its dataclass `cls` does not take."""
    hints = get_type_hints(cls)
    wrong = [name for name, value in values.items() if not fits(value, hints.get(name))]
    if wrong:
        raise ValueError(f"its {wrong[0]} has another type")


def read(path: Path) -> Result:
    """What `write` wrote. Raises OSError, ValueError, TypeError or KeyError where it is something else."""
    try:
        result = Result(**json.loads(path.read_text()))
        if not all(isinstance(result.metrics[name], float) for name in Errors._fields):
            raise ValueError("its metrics are no numbers")
        _check_types(Result, vars(result))
        if any(len(ends) != 2 for ends in chain(*(found.values() for found in result.intervals.values() if found))):
            raise ValueError("its intervals have no two ends")
        protocol_in(result)
    except (RecursionError, AttributeError) as error:  # lists a thousand deep, a list instead of an object
        raise ValueError(str(error)) from None
    return result


def show(result: Result, protocol: Protocol) -> None:
    """Print the table, the protocol, the scale ratios and what was left out."""
    console = Console(width=None if Console().is_terminal else 100)
    title = f"{result.weights or result.predictions}: {result.split}, {result.evaluated} images"
    console.print(
        escape(title), style="italic", soft_wrap=True
    )  # not as the table's title, which is as narrow as the table
    console.print(_table(result, protocol))
    lines = [describe(protocol), *_interval_lines(result, protocol)]
    if result.scale_ratios:
        lines.append("scale ratios: median {median:.3f}, std/median {std:.3f}".format(**result.scale_ratios))
    else:
        lines.append(f"no median scaling; depth times {result.pred_depth_scale:g}")
    if EDGES[0] in result.all_metrics:
        accuracy, completeness = (result.all_metrics[name] for name in EDGES)
        lines.append(
            f"edges: accuracy {accuracy:.2f} px, completeness {completeness:.2f} px (lower is better, 10 at most)"
        )
    if result.pasted:
        lines.append(f"{result.pasted} predictions of 352x1216 put in their place; ground truth around them left out")
    if result.negative_slopes:
        lines.append(f"{result.negative_slopes} images have a fit of negative slope: near and far are turned around")
    if result.missing:
        lines.append(f"{len(result.missing)} images without prediction left out: {some(result.missing)}")
    if result.unused:
        lines.append(f"{result.unused} predictions without ground truth left out")
    if result.skipped:
        lines.append(f"{len(result.skipped)} images without valid ground truth left out: {some(result.skipped)}")
    print("\n".join(lines))


def _table(result: Result, protocol: Protocol) -> PrintedTable:
    """The protocol's own metrics, under the names that its papers use; then the others."""
    table = PrintedTable()
    names = Errors._fields if protocol.headline == EIGEN_METRICS else protocol.headline
    values = result.metrics if protocol.headline == EIGEN_METRICS else result.all_metrics
    for name in names:
        unit = METRICS[name].unit if name in METRICS and protocol.headline != EIGEN_METRICS else ""
        table.add_column(f"{name}\n{unit}" if unit else name, justify="right")
    table.add_row(*(f"{values[name]:.3f}" for name in names))
    return table


def _interval_lines(result: Result, protocol: Protocol) -> list[str]:
    lines = []
    for over, found in result.intervals.items():
        if found:
            ends = (f"{name} {found[name][0]:.3f}-{found[name][1]:.3f}" for name in protocol.headline)
            lines.append(f"95 % interval over {over}: {', '.join(ends)}")
        else:
            lines.append(f"no interval over {over}: it takes at least two")
    return lines


def some(names: list[str], count: int = NAMED) -> str:
    """The first of them, for a message."""
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
