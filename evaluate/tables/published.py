"""Published numbers with their source and protocol: published_results.json."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

from ..scoring.metrics import NAMES

FILE = Path(__file__).with_name("published_results.json")


class PublishedRow(NamedTuple):
    """One line of a paper's or repository's table."""

    model: str
    source: str
    protocol: str | None
    """Preset of protocol.py; None where no protocol here measures the same."""
    images: int | None
    """None where the source does not say it."""
    data: str
    """kitti, nyu, tum ..."""
    metrics: dict[str, float]
    """Those that were published, under the names of scoring/metrics.py."""
    size: str | None = None
    """WIDTHxHEIGHT of the network's input."""
    params_m: float | None = None
    """Parameters in millions."""
    network: str | None = None
    """Name in the registry, for networks that can be trained here."""
    imagenet_backbone: bool | None = None
    not_comparable: str | None = None
    """Why its numbers cannot stand beside ours."""


@functools.cache
def rows() -> tuple[PublishedRow, ...]:
    tables = json.loads(FILE.read_text())["tables"]
    return tuple(_row(table, row) for table in tables for row in table["rows"])


def _row(table: dict[str, Any], row: dict[str, Any]) -> PublishedRow:
    return PublishedRow(
        model=row["model"],
        source=table["source"],
        protocol=table["protocol"],
        images=table["images"],
        data=table["data"],
        metrics={name: row[name] for name in NAMES if name in row},
        size=row.get("size"),
        params_m=row.get("params_M"),
        network=row.get("network"),
        imagenet_backbone=row.get("imagenet_backbone"),
        not_comparable=row.get("not_comparable"),
    )
