"""python -m litemono.refine: train a network that turns another network's depth into metres; the same command resumes it."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from litemono.data.stores.staging import check_stage
from litemono.tasks.refine.settings import RefineConfig, check
from litemono.utils import cli

ROWS = {"": "refined", "affine/": "given, best scale and shift", "input/": "given as it is"}
COLUMNS = ("abs_rel", "mae", "rmse", "d1")


def refine(config: RefineConfig) -> int:
    """Train a small network that turns another network's depth into metres for your camera.

    The other network stays as it is: its depth comes from files, such as those of litemono predict --depth_png. What the best
    global scale and shift make of it is measured beside, because that needs no training. The same command resumes a run.

    Example: python -m litemono.refine --data_path demo/world --dataset street --frozen_depth frozen --model_name refined
    """
    check(config)
    check_stage(config.data.stage, config.data.data_path)
    # torch is imported after the flags are right, so that a wrong one is answered at once
    from litemono.engine.loop import run
    from litemono.tasks.refine.task import Refine

    status = run(Refine(config), config)
    if status == cli.FINISHED:
        show(config.folder / "models" / "last" / "validation.json")
    return status


def show(path: Path) -> None:
    """Tables of the last validation's errors: refined, and what it started from; path: validation.json, which has more."""
    if not path.is_file():  # another process writes it
        return
    found = json.loads(path.read_text())["validation"]
    for group, where in (("", "all pixels"), ("objects/", "objects")):
        rows = {what: row + group for row, what in ROWS.items() if f"{row}{group}mae" in found}
        if rows:
            table = Table("", *(Column(name, justify="right") for name in COLUMNS), title=f"Validation, {where}")
            for what, start in rows.items():
                table.add_row(what, *(f"{found[start + column]:.3f}" for column in COLUMNS))
            Console().print(table)


def main() -> None:
    cli.run(refine, RefineConfig, "python -m litemono.refine")


if __name__ == "__main__":
    main()
