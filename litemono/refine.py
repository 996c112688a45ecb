"""python -m litemono.refine: train a network that turns another network's depth into metres; the same command resumes it."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from litemono.tasks.refine_settings import RefineConfig, check
from litemono.utils import cli

ROWS = {"": "refined", "affine/": "given, best scale and shift", "input/": "given as it is"}
COLUMNS = ("abs_rel", "mae", "rmse", "sq_rel", "rmsle", "d1", "d2", "d3")


def refine(config: RefineConfig) -> int:
    """Train a small network that turns another network's depth into metres for your camera.

    The other network stays as it is: its depth comes from files, such as those of litemono predict --depth_png. What the best
    global scale and shift make of it is measured beside, because that needs no training. The same command resumes a run.

    Example: python -m litemono.refine --data_path demo/world --dataset street --frozen_depth frozen --model_name refined
    """
    check(config)
    # torch is imported after the flags are right, so that a wrong one is answered at once
    from litemono.engine.loop import run
    from litemono.tasks.refine import Refine

    status = run(Refine(config), config)
    if status == cli.FINISHED:
        show(config.folder / "models" / "last" / "validation.json")
    return status


def show(path: Path) -> None:
    """A table of the last validation's errors: refined, and what it started from."""
    if not path.is_file():  # another process writes it
        return
    found = json.loads(path.read_text())["validation"]
    table = Table(title="Validation: all pixels, then objects" if "objects/mae" in found else "Validation")
    for column in ("", *COLUMNS):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for group, where in (("", ""), ("objects/", "objects: ")):
        for row, what in ROWS.items():
            if f"{row}{group}mae" in found:
                table.add_row(where + what, *(f"{found[row + group + column]:.3f}" for column in COLUMNS))
    Console(width=max(100, Console().width)).print(table)


def main() -> None:
    cli.run(refine, RefineConfig, "python -m litemono.refine")


if __name__ == "__main__":
    main()
