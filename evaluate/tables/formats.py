"""Tables as text: for the terminal, Markdown, LaTeX, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..scoring.metrics import METRICS
from .rows import Group, Row

FIXED = ("input", "params M", "GMACs")
LATEX_NAMES = {
    "abs_rel": "Abs Rel", "sq_rel": "Sq Rel", "rmse": "RMSE", "rmse_log": "RMSE log", "d1": r"$\delta<1.25$",
    "d2": r"$\delta<1.25^2$", "d3": r"$\delta<1.25^3$", "silog": "SILog", "log10": r"$\log_{10}$",
}  # fmt: skip
PLAIN_WIDTH = 150
STYLES = {"published": "cyan", "ours": "bold", "interval": "dim", "difference": None}


def to_terminal(groups: Sequence[Group], colours: bool) -> str:
    """colours: for a screen, in its width; otherwise plain text."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=colours, width=None if colours else PLAIN_WIDTH)
    for group in groups:
        table = Table(
            title=escape(group.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
        )
        table.add_column("", overflow="fold")
        for name in (*FIXED, *group.metrics):
            table.add_column(name, justify="right", no_wrap=True)
        for row in group.rows:
            coloured = row.kind == "difference"
            numbers = [
                _coloured(*pair) if coloured else pair[1] for pair in zip(group.metrics, row.numbers, strict=True)
            ]
            label = escape(_label(group, row)) if row.kind in ("published", "ours") else f"  {escape(row.label)}"
            table.add_row(label, row.size, row.params, row.macs, *numbers, style=STYLES[row.kind])
        console.print(table)
        for line in _notes(group):
            console.print(line, markup=False, highlight=False)
        console.print()
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join(lines).strip("\n") + "\n"


def _label(group: Group, row: Row) -> str:
    """With the number of its source in `_notes`."""
    return f"{row.label} [{group.sources.index(row.source) + 1}]" if row.source else row.label


def _notes(group: Group) -> list[str]:
    sources = [f"[{number}] {source}" for number, source in enumerate(group.sources, 1)]
    return sources + [f"not comparable: {reason}" for reason in group.left_out]


def _coloured(name: str, difference: str) -> str:
    if not difference:
        return ""
    better = float(difference) * (1 if METRICS[name].higher_is_better else -1)
    return f"[{'green' if better > 0 else 'red' if better < 0 else 'default'}]{difference}[/]"


def to_markdown(groups: Sequence[Group]) -> str:
    blocks = []
    for group in groups:
        titles = ["", *FIXED, *group.metrics]
        lines = [titles, ["---", *["---:"] * (len(titles) - 1)]]
        lines += [
            [_marked(group, row).replace("|", r"\|"), row.size, row.params, row.macs, *row.numbers]
            for row in group.rows
        ]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        notes = "".join(f"- {line}\n" for line in _notes(group))
        blocks.append(f"### {group.title}\n\n{table}" + (f"\n{notes}" if notes else ""))
    return "\n".join(blocks)


def _marked(group: Group, row: Row) -> str:
    return f"**{row.label}**" if row.kind == "ours" else _label(group, row)


def to_latex(groups: Sequence[Group]) -> str:
    """booktabs tables, one for each group, with sources and reasons below as comments."""
    blocks = []
    for group in groups:
        titles = [*FIXED, *(LATEX_NAMES.get(name, _escaped(name)) for name in group.metrics)]
        lines = [
            rf"% {group.title}",
            rf"\begin{{tabular}}{{l{'r' * len(titles)}}}",
            r"\toprule",
            rf" & {' & '.join(titles)} \\",
            r"\midrule",
        ]
        for row in group.rows:
            numbers = [f"${number}$" if number and row.kind == "difference" else number for number in row.numbers]
            indent = "" if row.kind in ("published", "ours") else r"\quad "
            lines.append(
                rf"{indent}{_escaped(_label(group, row))} & {' & '.join([row.size, row.params, row.macs, *numbers])} \\"
            )
        lines += [r"\bottomrule", r"\end{tabular}", *(f"% {line}" for line in _notes(group))]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "#$%&_{}" else c) for c in text)


def to_csv(groups: Sequence[Group]) -> str:
    """One line for each row, of all groups; a column for each metric that any of them has."""
    metrics = [name for name in METRICS if any(name in group.metrics for group in groups)]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["protocol", "kind", "label", "source", "input", "params_m", "gmacs", *metrics])
    for group in groups:
        for row in group.rows:
            numbers = dict(zip(group.metrics, row.numbers, strict=True))
            fixed = [group.title, row.kind, row.label, row.source, row.size, row.params, row.macs]
            lines.writerow(fixed + [numbers.get(name, "") for name in metrics])
        for reason in group.left_out:
            lines.writerow([group.title, "not comparable", reason])
    return text.getvalue()


FORMATS: dict[str, Callable[[Sequence[Group]], str]] = {
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
}
