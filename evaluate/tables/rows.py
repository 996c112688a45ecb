"""What a table holds: our results and published rows that were measured alike, one group for each way of measuring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..protocol import EIGEN_METRICS, PRESETS, Protocol, changes, describe
from ..results import Result, protocol_in
from ..scoring.metrics import METRICS
from . import published
from .published import PublishedRow

Kind = Literal["published", "ours", "interval", "difference"]


class Row(NamedTuple):
    """One line; interval and difference belong to the line of ours above them."""

    kind: Kind
    label: str
    size: str
    params: str
    """Millions."""
    macs: str
    """Thousand millions of multiply-accumulates of one image."""
    numbers: tuple[str, ...]
    """In the order of the group's metrics; "" where there is none."""
    source: str = ""
    """Where a published row is from."""


@dataclass
class Group:
    """Numbers that were measured alike, best first."""

    title: str
    metrics: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Published rows of the same protocol that are not comparable, each with its reason."""

    @property
    def sources(self) -> list[str]:
        return list(dict.fromkeys(row.source for row in self.rows if row.source))


class _Way(NamedTuple):
    """How numbers were measured; those of one way stand in one group."""

    data: str
    images: int
    split: str
    protocol: Protocol


def make_groups(results: Iterable[tuple[str, Result]], everything: bool) -> list[Group]:
    """Of each way in which ours were measured; everything: of the published ways that ours were not measured in, too."""
    ways: dict[_Way, list[tuple[str, Result]]] = {}
    for label, result in results:
        ways.setdefault(_way(result), []).append((label, result))
    groups = [_group(way, ours) for way, ours in ways.items()]
    if everything:
        covered = {(way.protocol.name, way.data) for way in ways if not changes(way.protocol)}
        keys = dict.fromkeys((row.protocol, row.data) for row in published.rows())
        groups += [_published_group(*key) for key in keys if key not in covered]
    return groups


def _way(result: Result) -> _Way:
    return _Way(result.data, result.evaluated, result.split.rstrip("/").split("/")[-1], protocol_in(result))


def _group(way: _Way, ours: Sequence[tuple[str, Result]]) -> Group:
    same = [row for row in published.rows() if _alike(row, way)]
    metrics = way.protocol.headline
    group = Group(f"{way.split}, {way.images} images; {describe(way.protocol)}", metrics)
    _add_published(group, same)
    blocks = [[row] for row in group.rows] + [_block(label, result, same, metrics) for label, result in ours]
    group.rows = [row for block in sorted(blocks, key=lambda block: _rank(block[0], metrics)) for row in block]
    if not same:
        group.left_out.append(f"no published row was measured so: {_why(way)}")
    return group


def _published_group(protocol: str | None, data: str) -> Group:
    rows = [row for row in published.rows() if (row.protocol, row.data) == (protocol, data)]
    metrics = PRESETS[protocol].headline if protocol else EIGEN_METRICS
    group = Group(
        f"{data.upper()}; {describe(PRESETS[protocol]) if protocol else 'protocols that are not known here'}", metrics
    )
    _add_published(group, rows)
    group.rows.sort(key=lambda row: _rank(row, metrics))
    return group


def _add_published(group: Group, rows: Sequence[PublishedRow]) -> None:
    for row in rows:
        if row.not_comparable:
            group.left_out.append(f"{row.model} ({row.source}): {row.not_comparable}")
        elif any(name in row.metrics for name in group.metrics):
            size, params = row.size or "", f"{row.params_m:.1f}" if row.params_m else ""
            numbers = tuple(_number(name, row.metrics.get(name)) for name in group.metrics)
            group.rows.append(Row("published", row.model, size, params, "", numbers, row.source))


def _alike(row: PublishedRow, way: _Way) -> bool:
    return (
        row.protocol == way.protocol.name
        and not changes(way.protocol)
        and row.data == way.data
        and row.images in (None, way.images)
    )


def _why(way: _Way) -> str:
    """In what it differs from the published ways of the same protocol."""
    different = changes(way.protocol)
    if different:
        return ", ".join(f"{name} is {value}" for name, value in different.items())
    counts = sorted({str(row.images) for row in published.rows() if row.protocol == way.protocol.name})
    return f"published are {' or '.join(counts)} images" if counts else "the protocol has no published rows"


def _block(label: str, result: Result, same: Sequence[PublishedRow], metrics: tuple[str, ...]) -> list[Row]:
    """Ours with its interval, and its difference to the published row of the same network, size and start."""
    size = f"{result.width}x{result.height}"
    known, origin = figures_of(result), " (ImageNet?)" if result.imagenet_backbone is None and result.model else ""
    values = [known.get(name) for name in metrics]
    params = f"{result.params / 1e6:.1f}" if result.params else ""
    macs = f"{result.macs / 1e9:.2f}" if result.macs else ""
    numbers = tuple(_number(name, value) for name, value in zip(metrics, values, strict=True))
    rows = [Row("ours", label + origin, size, params, macs, numbers)]
    found = result.intervals.get("images") if result.intervals else None
    if found:
        ends = tuple("-".join(_number(name, end) for end in found[name]) if found.get(name) else "" for name in metrics)
        rows.append(Row("interval", "95 % interval over images", "", "", "", ends))
    for reference in same:
        if (reference.network, reference.size) == (result.model, size) and (
            result.imagenet_backbone is None or reference.imagenet_backbone in (None, result.imagenet_backbone)
        ):
            pairs = ((known.get(name), reference.metrics.get(name)) for name in metrics)
            rows.append(
                Row("difference", f"minus {reference.model}", "", "", "", tuple(_difference(*p) for p in pairs))
            )
            break
    return rows


def figures_of(result: Result) -> dict[str, float]:
    """All metrics; of results of earlier versions the seven."""
    if result.all_metrics:
        return result.all_metrics
    return {f"d{name[1]}" if name in ("a1", "a2", "a3") else name: value for name, value in result.metrics.items()}


def _number(name: str, value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if METRICS[name].unit == "%" else f"{value:.3f}"


def _difference(ours: float | None, theirs: float | None) -> str:
    return "" if ours is None or theirs is None else f"{round(ours - theirs, 3) + 0.0:+.3f}"


def _rank(row: Row, metrics: tuple[str, ...]) -> tuple[bool, float]:
    """Best first by abs_rel where the table has it, else by its first metric; rows without the number last."""
    name = "abs_rel" if "abs_rel" in metrics else metrics[0]
    text = row.numbers[metrics.index(name)]
    sign = -1 if METRICS[name].higher_is_better else 1
    return (not text, sign * float(text) if text else 0.0)
