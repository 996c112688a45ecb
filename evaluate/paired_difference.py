"""--against: the paired difference to another result, image by image, with its interval, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from litemono.utils.errors import UserError, reason

from .keys import Key
from .protocol import Protocol
from .results import Column, Result, protocol_in, read
from .scoring.intervals import difference_intervals, group_numbers
from .scoring.metrics import METRICS, NAMES, Table

SAME = ("crop", "min_depth", "cap", "cap_truth", "averaging", "occluded")  # the parts that decide what is measured


def read_other(path: Path, protocol: Protocol, keys: Sequence[Key]) -> Result:
    """The result to compare with. Raises UserError if it is none, or measures something else.

    keys: of the images that will be evaluated.
    """
    try:
        other = read(path)
        theirs = protocol_in(other)
        names = ("image", "drive", "pixels", *(name for name in NAMES if not METRICS[name].of_maps))
        columns = [other.per_image[name] for name in names if other.per_image]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("its columns have several lengths")
    except FileNotFoundError:
        raise UserError(f"--against {path}: there is no such file") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"--against {path}: not a result of evaluate ({reason(error)}); give an eval_SPLIT.json"
        ) from None
    if not other.per_image:
        raise UserError(f"--against {path}: has no errors of single images; evaluate its predictions again")
    for part in SAME:
        ours, others = getattr(protocol, part), getattr(theirs, part)
        if ours != others:
            raise UserError(f"--against {path}: made with {part} {others}, not {ours}; evaluate both by one protocol")
    theirs_images = set(other.per_image["image"])
    if not any("/".join(key) in theirs_images for key in keys):
        raise UserError(
            f"--against {path}: has no image in common with the ground truth; give a result of the same images"
        )
    return other


def against(result: Result, other: Result, path: Path, protocol: Protocol) -> dict[str, Any]:
    """Differences result - other over the images that both have, for JSON: each with its interval over images and drives.

    Raises UserError where no image has a score in both.
    """
    mine = {image: index for index, image in enumerate(result.per_image["image"])}
    shared = [(mine[image], index) for index, image in enumerate(other.per_image["image"]) if image in mine]
    if not shared:
        raise UserError(f"--against {path}: no image has a score in both results")
    rows = np.array(shared).T
    ours, theirs = _table(result.per_image, rows[0]), _table(other.per_image, rows[1])
    per_pixel = protocol.averaging == "pixel"
    mean, other_mean = ours.mean(per_pixel), theirs.mean(per_pixel)
    drives = group_numbers([result.per_image["drive"][index] for index in rows[0]])
    over_images = difference_intervals(ours, theirs, np.arange(len(shared)), per_pixel)
    over_drives = difference_intervals(ours, theirs, drives, per_pixel)
    return {
        "file": str(path),
        "images": len(shared),
        "differences": {name: mean[name] - other_mean[name] for name in mean if name in other_mean},
        "over_images": over_images,
        "over_drives": over_drives,
    }


def _table(columns: dict[str, Column], rows: np.ndarray) -> Table:
    values = np.full((len(rows), len(NAMES)), np.nan)
    for place, name in enumerate(NAMES):
        if name in columns:
            values[:, place] = np.array(list(columns[name]), np.float64)[rows]
    return Table(values, np.array(list(columns["pixels"]), np.float64)[rows])


def describe(comparison: dict[str, Any], headline: tuple[str, ...]) -> list[str]:
    """One sentence for each of the protocol's metrics."""
    return [f"against {comparison['file']}, {comparison['images']} images:"] + [
        f"  {name}: {_sentence(name, comparison)}" for name in headline
    ]


def _sentence(name: str, comparison: dict[str, Any]) -> str:
    """Like "0.003 better, interval 0.001 to 0.005, over drives 0.000 to 0.006"."""
    sign = 1 if METRICS[name].higher_is_better else -1
    gain = sign * comparison["differences"][name]
    turn = sign if gain >= 0 else -sign
    parts = [f"{abs(gain):.3f} {'better' if gain >= 0 else 'worse'}" if round(abs(gain), 3) else "no difference"]
    clear = True
    for key, label in (("over_images", "interval"), ("over_drives", "over drives")):
        if comparison[key]:
            low, high = sorted(turn * end for end in comparison[key][name])
            parts.append(f"{label} {round(low, 3) + 0.0:.3f} to {round(high, 3) + 0.0:.3f}")
            clear &= low > 0
    return ", ".join(parts) + ("" if clear else "; may be chance")
