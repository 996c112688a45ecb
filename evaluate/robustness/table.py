"""The result of evaluate --corruptions in the terminal, beside RoboDepth's published table."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..protocol import Protocol, changes, describe
from .result import RobustnessResult
from .scores import dee, published, reference


def show(result: RobustnessResult, protocol: Protocol) -> None:
    console = Console(width=None if Console().is_terminal else 100)
    console.print(_corruptions(result))
    if result.mce is not None:
        console.print(_models(result))
    else:
        print("mCE and mRR take all 18 corruptions and five severities: --corruptions all --severities 1-5")
    print(describe(protocol))
    reasons = not_comparable(result, protocol)
    if reasons:
        print(f"not comparable with the published rows: {'; '.join(reasons)}")


def not_comparable(result: RobustnessResult, protocol: Protocol) -> list[str]:
    """Why these figures and the published ones differ by more than the network."""
    reasons = []
    if result.split != "eigen":
        reasons.append(f"split {result.split}, published: eigen")
    if protocol.name != "eigen" or changes(protocol):
        reasons.append("another protocol than eigen")
    if result.frost == "drawn" and "frost" in result.corruptions:
        reasons.append("frost is drawn here (--frost_photos takes the published photos)")
    return reasons


def _corruptions(result: RobustnessResult) -> Table:
    """DEE by severity; then its mean and what that is of Monodepth2's and of that of clean images."""
    title = (
        f"{result.weights}: {result.split}, {result.evaluated} images; DEE = (abs_rel - a1 + 1) / 2, lower is better"
    )
    table = Table(title=escape(title))
    table.add_column("corruption")
    for severity in result.severities:
        table.add_column(str(severity), justify="right")
    for head in ("mean", "Monodepth2", "CE %", "RR %"):
        table.add_column(head, justify="right")
    blank = [""] * len(result.severities)
    table.add_row("clean", *blank, f"{result.dee['clean']:.3f}", f"{reference().dee['clean']:.3f}", "", "")
    for name, by_severity in result.corruptions.items():
        errors = [f"{dee(metrics['abs_rel'], metrics['d1']):.3f}" for metrics in by_severity.values()]
        rates = [f"{rates[name]:.1f}" if rates else "" for rates in (result.ce, result.rr)]
        published_mean = f"{reference().dee[name]:.3f}" if result.ce else ""
        table.add_row(name, *errors, f"{result.dee[name]:.3f}", published_mean, *rates)
    return table


def _models(result: RobustnessResult) -> Table:
    """All by mCE, the best first."""
    table = Table(title="beside RoboDepth's published networks")
    for head in ("network", "mCE %", "mRR %", "clean DEE"):
        table.add_column(head, justify="left" if head == "network" else "right")
    rows = [(row.mce, row.mrr, row.dee["clean"], f"{row.model} {row.size}") for row in published()]
    ours = f"this: {result.model} {result.width}x{result.height}"
    if result.mce is not None and result.mrr is not None:
        rows.append((result.mce, result.mrr, result.dee["clean"], ours))
    for mce, mrr, clean, label in sorted(rows):
        table.add_row(label, f"{mce:.2f}", f"{mrr:.2f}", f"{clean:.3f}", style="bold" if label == ours else None)
    return table
