"""python -m evaluate.tables: what our runs reach, beside published numbers that were measured in the same way."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from litemono.data.datasets.frames import natural_key
from litemono.utils import cli
from litemono.utils.errors import UserError, reason

from ..results import Result, read

# Below a folder of sweeps, a folder of runs, one run.
PLACES = ("*/*/models/*/eval_*.json", "*/models/*/eval_*.json", "models/*/eval_*.json")


@dataclass(frozen=True)
class TablesConfig:
    """Which runs, in which format."""

    runs: Path = Path("runs")
    """Folder of run folders (--log_dir of training), or one run folder."""
    format: Literal["terminal", "markdown", "latex", "csv"] = "terminal"
    """latex needs the booktabs package."""
    published: bool = False
    """Also the published rows of protocols that no run was evaluated by."""
    output: Path | None = None
    """File to write. Default: print."""


def tables(config: TablesConfig) -> None:
    """Set the results that evaluate left in run folders beside published ones, best first.

    Rows stand together where they were measured alike; what is not comparable is listed below each table, with the reason.

    Example: python -m evaluate.tables --runs runs --format markdown --output results.md
    """
    from .formats import FORMATS, to_terminal
    from .rows import make_groups

    groups = make_groups(find_results(config.runs), config.published)
    if config.format == "terminal":
        text = to_terminal(groups, colours=config.output is None and sys.stdout.isatty())
    else:
        text = FORMATS[config.format](groups)
    cli.print_or_write(text, config.output)


def find_results(runs: Path) -> list[tuple[str, Result]]:
    """(RUN/WEIGHTS, its result) of every evaluation below `runs`; files that are none are named on stderr."""
    if not runs.is_dir():
        raise UserError(f"--runs {runs}: there is no such folder; give the folder with the runs")

    def by_name(path: Path) -> list[Any]:
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
            print(f"warning: {path} is no result of evaluate and is left out ({reason(error)})", file=sys.stderr)
    if not results:
        raise UserError(
            f"--runs {runs}: no results (RUN/models/WEIGHTS/eval_SPLIT.json); make one: "
            f"python -m evaluate --load_weights {shlex.quote(str(runs))}/RUN/models/last --data_path KITTI_RAW"
        )
    return results


def main() -> None:
    cli.run(tables, TablesConfig, "python -m evaluate.tables")


if __name__ == "__main__":
    main()
