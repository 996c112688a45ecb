"""summary.md: what each part found, in a table and in the targets' terms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from litemono.utils.atomic_files import write_atomically


def write_summary(out: Path, results: Sequence[Path]) -> None:
    """Write OUT/summary.md from the result files that exist."""
    found = [json.loads(path.read_text()) for path in results if path.is_file()]
    if not found:
        return
    machine = max(found, key=lambda result: result["machine"]["date"])["machine"]
    lines = ["# What this card showed" if machine["device"] == "cuda" else "# A trial run on a processor", ""]
    commits = dict.fromkeys(result["commit"] for result in found)
    lines += [f"{describe(machine)}; commit {', '.join(map(str, commits))}.", ""]
    lines += ["| part | question | outcome | seconds |", "|---|---|---|---|"]
    for result in found:
        why = f": {result['why']}" if result["why"] else ""
        lines.append(f"| {result['part']} | {result['question']} | {result['status']}{why} | {result['seconds']:.0f} |")
        if result["others"]:
            lines.append(
                f"| | other processes on the card: {'; '.join(result['others'])} | timings not to be trusted | |"
            )
    for name in ("step", "step-compiled", "step-batches", "step-models", "step-large"):
        lines += steps_of(out / f"{name}.json")
    lines += data_wait(out / "data/data_wait.json", "Data") + data_wait(out / "ddp/data_wait.json", "Two cards")
    lines += inference_of(out / "inference.json") + learning_of(out / "learning.json")
    write_atomically(out / "summary.md", ("\n".join(lines) + "\n").encode())


def describe(machine: dict[str, Any]) -> str:
    card = machine.get("gpu") or f"{machine['processor']} ({', '.join(machine['features'])})"
    return (
        f"{card}, torch {machine['torch']}, CUDA {machine.get('cuda')}, Python {machine['python']}, {machine['date']}"
    )


def steps_of(path: Path) -> list[str]:
    """A table for each case of benchmarks.train_step, and how it stands against the targets."""
    report = read(path)
    lines = []
    for case in report.get("cases", []):
        lines += ["", f"## {case['model']} {case['width']}x{case['height']}, batch {case['batch']}", ""]
        lines += ["| step | img/s | in terms of published | GB | in terms of published | over the networks alone |"]
        lines += ["|---|---|---|---|---|---|"]
        for row in case["rows"]:
            measured = row["measured"]
            if row["ms_per_step"] is None:
                lines.append(f"| {row['subject']} | {measured['status']} | | | | |")
                continue
            cells = (
                number(row["images_per_s"], ".4g"),
                number(row["speed_ratio"], ".2f"),
                number(None if measured["memory_mb"] is None else measured["memory_mb"] / 1000, ".2f"),
                number(row["memory_ratio"], ".2f"),
                number(row["over_floor"], ".0%"),
            )
            lines.append(f"| {' | '.join((row['subject'], *cells))} |")
        lines += ["", *(f"- {sentence(target)}" for target in case["targets"])]
    return lines


def sentence(target: dict[str, Any]) -> str:
    met = "met" if target["met"] else "not met"
    return f"{target['precision']}: {target['what']} {target['value']:.2f} (target {target['limit']:g}: {met})"


def data_wait(path: Path, title: str) -> list[str]:
    """Waiting for data with each number of threads, and the last run's profile."""
    rows = read(path).get("rows", [])
    if not rows:
        return []
    lines = ["", f"## {title}", "", "| loader threads | img/s | waiting for data | limit |", "|---|---|---|---|"]
    cells = ((row["threads"], f"{row['images_per_s']:.4g}", f"{row['waiting']:.1%}", row["limit"]) for row in rows)
    profile = [f"- {sentence}" for sentence in rows[-1]["profile"]]
    return [*lines, *(table_row(row) for row in cells), "", *profile]


def inference_of(path: Path) -> list[str]:
    lines = []
    for case in read(path).get("cases", []):
        lines += ["", f"## Prediction: {case['model']} {case['width']}x{case['height']}, batch {case['batch']}", ""]
        lines += ["| way | img/s | in terms of the published loop | p50 ms | off |", "|---|---|---|---|---|"]
        for row in case["rows"]:
            speed, ratio = f"{row['images_per_s']:.4g}", f"{row['ratio']:.2f}"
            lines.append(table_row((row["subject"], speed, ratio, f"{row['p50_ms']:.2f}", f"{row['off']:.1e}")))
    return lines


def learning_of(path: Path) -> list[str]:
    report = read(path)
    if not report:
        return []
    lines = [
        "",
        "## Learning: abs_rel on the rendered street",
        "",
        "| training | mean | over published |",
        "|---|---|---|",
    ]
    cells = ((name, f"{mean:.4f}", f"{report['over_published'][name]:+.1%}") for name, mean in report["mean"].items())
    return lines + [table_row(row) for row in cells]


def table_row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


def number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
