"""python -m evaluate.tables: what our runs reach, beside the paper.

A table is a list of groups, one for each row of the paper (model, size, with or without ImageNet), and each format is
one way to write such a list.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evaluate.protocol import changes
from evaluate.results import Result, protocol_in, read
from litemono.data.datasets.frames import natural_key
from litemono.metrics import Errors
from litemono.utils import cli
from litemono.utils.atomic_files import replacing
from litemono.utils.errors import UserError

PAPER = Path(__file__).with_name("published_results.json")
PAPER_IMAGES = 697
# Below a folder of sweeps, a folder of runs, one run.
PLACES = ("*/*/models/*/eval_*.json", "*/models/*/eval_*.json", "models/*/eval_*.json")
LATEX_TITLES = ("Abs Rel", "Sq Rel", "RMSE", "RMSE log", r"$\delta<1.25$", r"$\delta<1.25^2$", r"$\delta<1.25^3$")
PLAIN_WIDTH = 120

Kind = Literal["paper", "ours", "difference"]


@dataclass(frozen=True)
class TablesConfig:
    """Which runs, in which format."""

    runs: Path = Path("runs")
    """Folder of run folders (--log_dir of training), or one run folder."""
    format: Literal["terminal", "markdown", "latex"] = "terminal"
    """latex needs the booktabs package."""
    output: Path | None = None
    """File to write. Default: print."""


class Row(NamedTuple):
    kind: Kind
    label: str
    cells: tuple[str, ...]
    """Seven numbers, in the order of Errors."""


@dataclass
class Group:
    title: str
    rows: list[Row] = field(default_factory=list)


def tables(config: TablesConfig) -> None:
    """Set the results that evaluate left in run folders beside the paper's, with the difference.

    Example: python -m evaluate.tables --runs runs --format markdown --output results.md
    """
    colours = config.output is None and sys.stdout.isatty()
    formats: dict[str, Callable[[list[Group]], str]] = {
        "terminal": partial(to_terminal, colours=colours),
        "markdown": to_markdown,
        "latex": to_latex,
    }
    write = formats[config.format]
    text = write(make_groups(find_results(config.runs)))
    if config.output is None:
        print(text, end="")
        return
    with replacing(config.output) as file:
        file.write(text.encode())
    print(f"written to {config.output}")


# ---------------------------------------------------------------- what goes into the table


def find_results(runs: Path) -> list[tuple[str, Result]]:
    """(RUN/WEIGHTS, its result) of every evaluation below `runs`; files that are none are named on stderr."""
    if not runs.is_dir():
        raise UserError(f"--runs {runs}: there is no such folder; give the --log_dir of training")

    def by_name(path: Path) -> list:
        return natural_key(str(path))

    paths = sorted((path for place in PLACES for path in runs.glob(place)), key=by_name)
    once: dict[Path, Path] = {}  # models/last may be a link to one of the others, a run to another disk
    for path in sorted(paths, key=lambda path: path.parent.is_symlink()):
        once.setdefault(path.resolve(), path)
    results = []
    for path in sorted(once.values(), key=by_name):
        run = path.parents[2]
        name = run.relative_to(runs) if run != runs else run.absolute().name
        try:
            results.append((f"{name}/{path.parent.name}", read(path)))
        except (OSError, ValueError, TypeError, KeyError) as error:
            print(f"warning: {path} is no result of evaluate and is left out ({error})", file=sys.stderr)
    if not results:
        raise UserError(
            f"--runs {runs}: no results (RUN/models/WEIGHTS/eval_SPLIT.json); make one: "
            f"python -m evaluate --load_weights {shlex.quote(str(runs))}/RUN/models/last --data_path KITTI_RAW"
        )
    return results


def make_groups(results: Iterable[tuple[str, Result]]) -> list[Group]:
    """One group for each row of the paper, then those of results that the paper has no counterpart to."""
    groups, references = {}, {}
    for row in json.loads(PAPER.read_text())["rows"]:
        title = _title(row["model"], row["size"], row["imagenet_backbone"])
        references[title] = row
        groups[title] = Group(title, [Row("paper", "paper", _numbers(row))])
    for label, result in results:
        title = _title(
            str(result.model), f"{result.width}x{result.height}", result.imagenet_backbone, *_other_protocol(result)
        )
        unknown = " (ImageNet?)" if result.imagenet_backbone is None else ""
        rows = groups.setdefault(title, Group(title)).rows
        rows.append(Row("ours", label + unknown, _numbers(result.metrics)))
        if title in references:
            rows.append(Row("difference", "difference", _differences(result.metrics, references[title])))
    return list(groups.values())


def _title(model: str, size: str, imagenet_backbone: bool | None, *others: str) -> str:
    return ", ".join([f"{model} {size}", *["no ImageNet"] * (imagenet_backbone is False), *others])


def _other_protocol(result: Result) -> list[str]:
    """In what the evaluation differs from the paper's, in words; empty if in nothing."""
    eigen = result.split == "eigen" and result.evaluated == PAPER_IMAGES
    conditions = {
        f"{Path(result.split).name} ({result.evaluated} images)": not eigen,
        "flip post-processing": result.post_process,
        "no median scaling": not result.median_scaling,
        f"depth x{result.pred_depth_scale:g}": result.pred_depth_scale != 1,
    }
    return [words for words, holds in conditions.items() if holds] + _other_parts(result)


def _other_parts(result: Result) -> list[str]:
    """The named protocol and its changed parts, where they are not those that files of earlier versions also have."""
    protocol = protocol_in(result)
    if protocol is None:
        return []
    different = changes(protocol)
    for name in ("post_process", "pred_depth_scale"):
        different.pop(name, None)
    if protocol.alignment == "none":
        different.pop("alignment", None)
    named = [] if protocol.name in ("eigen", "eigen_benchmark") else [f"protocol {protocol.name}"]
    return named + [f"{name} {value}" for name, value in different.items()]


def _numbers(metrics: dict[str, float]) -> tuple[str, ...]:
    return tuple(f"{metrics[name]:.3f}" for name in Errors._fields)


def _differences(ours: dict[str, float], paper: dict[str, float]) -> tuple[str, ...]:
    return tuple(f"{round(ours[name] - paper[name], 3) + 0.0:+.3f}" for name in Errors._fields)


# ---------------------------------------------------------------- how it is written


def to_terminal(groups: list[Group], colours: bool) -> str:
    """colours: for a screen, in its width; otherwise plain text."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("", overflow="fold")
    for name in Errors._fields:
        table.add_column(name, justify="right", no_wrap=True)
    for group in groups:
        table.add_row(f"[bold]{escape(group.title)}[/]")
        for row in group.rows:
            cells = map(_coloured, Errors._fields, row.cells) if row.kind == "difference" else row.cells
            table.add_row(f"  {escape(row.label)}", *cells, style="cyan" if row.kind == "paper" else None)
        table.add_section()
    text = io.StringIO()
    console = Console(file=text, force_terminal=colours, width=None if colours else PLAIN_WIDTH)
    console.print(table)
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join(lines) + "\n"


def _coloured(name: str, difference: str) -> str:
    better = float(difference) * (1 if name in ("a1", "a2", "a3") else -1)
    return f"[{'green' if better > 0 else 'red' if better < 0 else 'default'}]{difference}[/]"


def to_markdown(groups: list[Group]) -> str:
    lines = [["", *Errors._fields], ["---", *["---:"] * len(Errors._fields)]]
    for group in groups:
        lines.append([f"**{group.title}**", *[""] * len(Errors._fields)])
        lines += [[row.label.replace("|", r"\|"), *row.cells] for row in group.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(groups: list[Group]) -> str:
    columns = len(Errors._fields)
    lines = [rf"\begin{{tabular}}{{l{'r' * columns}}}", r"\toprule", f" & {' & '.join(LATEX_TITLES)} \\\\"]
    for group in groups:
        lines += [r"\midrule", rf"\multicolumn{{{columns + 1}}}{{l}}{{\textbf{{{_escaped(group.title)}}}}} \\"]
        for row in group.rows:
            cells = [f"${cell}$" for cell in row.cells] if row.kind == "difference" else row.cells
            lines.append(rf"\quad {_escaped(row.label)} & {' & '.join(cells)} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "#$%&_{}" else c) for c in text)


def main() -> None:
    cli.run(tables, TablesConfig, "python -m evaluate.tables")


if __name__ == "__main__":
    main()
