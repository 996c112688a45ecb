"""The rows of a study: each run at its best epoch, with intervals, the best marked, and means over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from litemono.study import intervals
from litemono.study.intervals import Interval
from litemono.study.runs import Epoch, StudiedRun, Study, text_of, value_of
from litemono.utils.errors import UserError


@dataclass(frozen=True)
class Cell:
    """A number of a row."""

    value: float
    interval: Interval | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A run at the epoch that is best by the study's metric."""

    run: StudiedRun
    epoch: Epoch
    swept: tuple[str, ...]
    """Values of the swept flags, as they are typed."""
    cells: dict[str, Cell | None]
    """By metric; None where the run has no value."""
    behind: Interval | None
    """95 % interval of its difference to the best run; None for the best and where it cannot be had."""


@dataclass(frozen=True)
class SeedRow:
    """Runs that differ in --seed only."""

    swept: tuple[str, ...]
    seeds: int
    mean: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Comparison:
    """What every format shows."""

    task: str
    by: str
    higher: bool
    """Whether larger values of `by` are better."""
    flags: list[str]
    metrics: list[str]
    rows: list[Row]
    """Best first."""
    seeds: list[SeedRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def seedless_flags(self) -> list[str]:
        return [flag for flag in self.flags if flag != "seed"]


def make_comparison(study: Study, by: str | None, metrics: Sequence[str]) -> Comparison:
    """by: the metric that ranks runs and chooses each run's epoch; None: the task's. metrics: columns; none: the task's."""
    by = by or default_metric(study)
    check_metric("--by", by, list(study.better))
    for name in metrics:
        check_metric("--metrics", name, study.metrics)
    columns = list(dict.fromkeys([by, *(metrics or [name for name in study.better if name in study.metrics])]))
    higher = study.better[by] == "higher"
    chosen = [(run, epoch) for run in study.runs if (epoch := run.best_epoch(by)) is not None]
    if not chosen:
        raise UserError(f"--by {by}: no run has a finite value of it; choose another of {', '.join(study.metrics)}")
    chosen.sort(key=lambda pair: (-1 if higher else 1) * pair[1].results[by])
    flags = study.swept
    best = best_values(study, chosen, columns)
    rows = [row_of(run, epoch, flags, best, by, chosen[0][1]) for run, epoch in chosen]
    left_out = [(run.name, f"no finite {by}") for run in study.runs if run.best_epoch(by) is None] + study.waiting
    comparison = Comparison(study.task, by, higher, flags, columns, rows, seed_rows(rows, flags, by, higher))
    comparison.notes.extend(notes_of(comparison, study, left_out))
    return comparison


def check_metric(flag: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise UserError(f"{flag} {name}: these runs have no such result; choose from {', '.join(known)}")


def default_metric(study: Study) -> str:
    """The first that chooses weights and that all runs have; the loss last, whose terms may differ between runs."""
    names = sorted(study.better, key=lambda name: name == "loss")
    return next((name for name in names if all(run.best_epoch(name) for run in study.runs)), names[0])


def losses_differ(study: Study) -> bool:
    """A swept flag of the loss: its values then measure different things."""
    return any(flag in run.settings.get("loss", {}) for run in study.runs for flag in study.swept)


def best_values(study: Study, chosen: list[tuple[StudiedRun, Epoch]], metrics: Sequence[str]) -> dict[str, float]:
    """The best of each column whose direction the task tells; of one run nothing is best."""
    found = {}
    for name in metrics:
        if name not in study.better or (name == "loss" and losses_differ(study)) or len(chosen) < 2:
            continue
        values = [epoch.results[name] for _, epoch in chosen if math.isfinite(epoch.results.get(name, math.nan))]
        if values:
            found[name] = max(values) if study.better[name] == "higher" else min(values)
    return {name: found.get(name, math.nan) for name in metrics}


def row_of(run: StudiedRun, epoch: Epoch, flags: list[str], best: dict[str, float], by: str, first: Epoch) -> Row:
    cells = {
        name: Cell(value, intervals.interval(epoch, name), value == best[name])
        if (value := epoch.results.get(name)) is not None
        else None
        for name in best
    }
    behind = None if epoch is first else intervals.difference(epoch, first, by)
    return Row(run, epoch, tuple(text_of(value_of(run, flag)) for flag in flags), cells, behind)


def seed_rows(rows: list[Row], flags: list[str], by: str, higher: bool) -> list[SeedRow]:
    """Means over seeds, best first; empty unless --seed was swept."""
    if "seed" not in flags:
        return []
    groups: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        key = tuple(value for flag, value in zip(flags, row.swept, strict=True) if flag != "seed")
        groups.setdefault(key, []).append(row.epoch.results[by])
    found = [SeedRow(key, len(v), sum(v) / len(v), min(v), max(v)) for key, v in groups.items()]
    return sorted(found, key=lambda row: (-1 if higher else 1) * row.mean)


def notes_of(comparison: Comparison, study: Study, left_out: list[tuple[str, str]]) -> list[str]:
    """What the numbers mean, and what is missing."""
    rows, by = comparison.rows, comparison.by
    notes = [
        f"Each run at its best epoch by {by}, {'higher' if comparison.higher else 'lower'} is better, on the validation "
        "split: the choice makes it a little too good."
    ]
    with_intervals = [row for row in rows if (cell := row.cells[by]) and cell.interval]
    if with_intervals:
        batches = sorted({len(row.epoch.batches.parts[by]) for row in with_intervals if row.epoch.batches})
        counts = " or ".join(map(str, batches))
        notes.append(
            f"Intervals: 95 % bootstrap over the {counts} validation batches of consecutive samples. They do not tell how "
            "far another --seed would change a result."
        )
    if any(row.behind for row in rows):
        notes.append(
            "Behind the best: 95 % interval of the difference on the same batches; with 0 inside it may be chance."
        )
    if len(with_intervals) < len(rows):
        notes.append(
            f"Without interval: fewer than {intervals.LEAST_BATCHES} validation batches, or validated by an older version."
        )
    lists = {row.epoch.batches.identity[0] for row in rows if row.epoch.batches}
    if len(lists) > 1:
        notes.append("The runs validated on different lists of samples: their numbers are not comparable.")
    if losses_differ(study) and "loss" in comparison.metrics:
        notes.append("The loss itself was swept: its values are not comparable.")
    if left_out:
        notes.append("No result: " + ", ".join(f"{name} ({why})" for name, why in left_out) + ".")
    return notes
