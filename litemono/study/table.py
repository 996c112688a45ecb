"""The rows of a study: each run at its best epoch, with intervals, the best marked, and means over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
    """95 % interval of its difference to the best run; None for the best, and where there is none."""


@dataclass(frozen=True)
class SeedRow:
    """Runs that differ in --seed only."""

    swept: tuple[str, ...]
    seeds: int
    spread: dict[str, tuple[float, float, float]]
    """By metric: mean, lowest and highest."""


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

    first_test: str | None = None
    """The first column of test results."""

    @property
    def all_finished(self) -> bool:
        """Then their states need no column."""
        return all(row.run.state == "finished" for row in self.rows)

    @property
    def seedless_flags(self) -> list[str]:
        return [flag for flag in self.flags if flag != "seed"]


TEST_METRICS = ("abs_rel", "rmse", "d1")
HIGHER_ON_TEST = ("d1", "d2", "d3")


def make_comparison(study: Study, by: str | None, metrics: Sequence[str], test: str | None = None) -> Comparison:
    """by: the metric that ranks runs and chooses each run's epoch; None: the task's. metrics: columns; none: the task's.

    test: a split whose results by evaluate, of the same epochs, are shown too.
    """
    by = by or default_metric(study)
    check_metric("--by", by, list(study.better))
    for name in metrics:
        check_metric("--metrics", name, study.metrics)
    columns = list(dict.fromkeys([by, *(metrics or [name for name in study.better if name in study.metrics])]))
    columns += [f"eval_{test}/{name}" for name in TEST_METRICS] if test else []
    higher = study.better[by] == "higher"
    chosen = [(run, epoch) for run in study.runs if (epoch := run.best_epoch(by)) is not None]
    if not chosen:
        others = [name for name in study.better if any(run.best_epoch(name) for run in study.runs)]
        advice = f"choose another of {', '.join(others)}" if others else "nor of another metric"
        raise UserError(f"--by {by}: no run has a finite value of it; {advice}")
    chosen.sort(key=lambda pair: (-1 if higher else 1) * pair[1].results[by])
    if test:
        check_test(test, chosen)
    flags = study.swept
    best = best_values(study, chosen, columns)
    rows = [row_of(run, epoch, flags, best, by, chosen[0][1]) for run, epoch in chosen]
    left_out = [(run.name, f"no finite {by}") for run in study.runs if run.best_epoch(by) is None] + study.waiting
    comparison = Comparison(study.task, by, higher, flags, columns, rows, seed_rows(rows, flags, columns, by, higher))
    if test:
        comparison = replace(comparison, first_test=f"eval_{test}/{TEST_METRICS[0]}")
    comparison.notes.extend(notes_of(comparison, study, left_out))
    return comparison


def check_metric(flag: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise UserError(f"{flag} {name}: these runs have no such result; choose from {', '.join(known)}")


def check_test(test: str, chosen: Sequence[tuple[StudiedRun, Epoch]]) -> None:
    if not any(epoch.test(f"eval_{test}/{TEST_METRICS[0]}") for _, epoch in chosen):
        folder = chosen[0][1].folder
        raise UserError(
            f"--test {test}: no eval_{test}.json beside the weights that are compared, such as {folder}; make them with "
            f"litemono evaluate --load_weights {folder.parent.parent} --all_epochs --split {test}"
        )


def default_metric(study: Study) -> str:
    """The first that chooses weights and that all runs have; the loss last, whose terms may differ between runs."""
    names = sorted(study.better, key=lambda name: name == "loss")
    return next((name for name in names if all(run.best_epoch(name) for run in study.runs)), names[0])


def losses_differ(study: Study) -> bool:
    """Whether a flag of the loss was swept: values of the loss are then not comparable."""
    return any(flag in run.settings.get("loss", {}) for run in study.runs for flag in study.swept)


def best_values(study: Study, chosen: list[tuple[StudiedRun, Epoch]], metrics: Sequence[str]) -> dict[str, float]:
    """The best of each column, NaN where none is: the direction is unknown, the terms differ, or there is one run."""
    found = dict.fromkeys(metrics, math.nan)
    for name in metrics:
        way = direction(study, name)
        if way is None or (name == "loss" and losses_differ(study)) or len(chosen) < 2:
            continue
        cells = [cell_of(epoch, name) for _, epoch in chosen]
        values = [cell.value for cell in cells if cell and math.isfinite(cell.value)]
        if values:
            found[name] = max(values) if way == "higher" else min(values)
    return found


def direction(study: Study, name: str) -> str | None:
    """Which values of a column are better, "higher" or "lower"; None where that is not known."""
    if name.startswith("eval_"):
        return "higher" if name.rpartition("/")[2] in HIGHER_ON_TEST else "lower"
    return study.better.get(name)


def cell_of(epoch: Epoch, name: str) -> Cell | None:
    """A validation result, or one on test images."""
    if name.startswith("eval_"):
        tested = epoch.test(name)
        return None if tested is None else Cell(*tested)
    value = epoch.results.get(name)
    return None if value is None else Cell(value, intervals.interval(epoch, name))


def row_of(run: StudiedRun, epoch: Epoch, flags: list[str], best: dict[str, float], by: str, first: Epoch) -> Row:
    found = {name: cell_of(epoch, name) for name in best}
    cells = {name: cell and replace(cell, best=cell.value == best[name]) for name, cell in found.items()}
    behind = None if epoch is first else intervals.difference(epoch, first, by)
    return Row(run, epoch, tuple(text_of(value_of(run, flag)) for flag in flags), cells, behind)


def seed_rows(rows: list[Row], flags: list[str], metrics: list[str], by: str, higher: bool) -> list[SeedRow]:
    """Means over seeds, best first; empty unless --seed was swept."""
    if "seed" not in flags:
        return []
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(value for flag, value in zip(flags, row.swept, strict=True) if flag != "seed")
        groups.setdefault(key, []).append(row)
    found = [SeedRow(key, len(group), spread(group, metrics)) for key, group in groups.items()]
    return sorted(found, key=lambda row: (-1 if higher else 1) * row.spread[by][0])


def spread(rows: list[Row], metrics: list[str]) -> dict[str, tuple[float, float, float]]:
    """Mean, lowest and highest of each metric that all rows have."""
    found = {}
    for name in metrics:
        values = [cell.value for row in rows if (cell := row.cells[name])]
        if len(values) == len(rows):
            found[name] = (sum(values) / len(values), min(values), max(values))
    return found


def notes_of(comparison: Comparison, study: Study, left_out: list[tuple[str, str]]) -> list[str]:
    """Sentences below the table: what the numbers mean, and which runs are missing."""
    rows, by = comparison.rows, comparison.by
    notes = [
        f"Each run at its best epoch by {by}, {'higher' if comparison.higher else 'lower'} is better, on the validation "
        "split: as it was chosen there, its result is slightly optimistic."
    ]
    with_intervals = [row for row in rows if (cell := row.cells[by]) and cell.interval]
    if with_intervals:
        batches = sorted({len(row.epoch.batches.parts[by]) for row in with_intervals if row.epoch.batches})
        counts = " or ".join(map(str, batches))
        notes.append(
            f"Intervals: 95 % bootstrap over the {counts} validation batches of consecutive samples. They do not "
            "include the variation with another --seed."
        )
    if comparison.first_test:
        notes.append(
            "Columns eval_SPLIT/METRIC: evaluate's results of the same epochs on test images, with its 95 % interval over images."
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
