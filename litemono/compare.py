"""python -m litemono.compare: the runs of a sweep side by side, from their folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from litemono.utils import cli
from litemono.utils.errors import require


@dataclass(frozen=True)
class CompareConfig:
    """Which runs, by which metric, in which format."""

    log_dir: Path = Path("runs")
    """Folder of a sweep, or of other runs of one task."""
    by: str | None = None
    """Validation result that ranks the runs and chooses each run's epoch. Default: the task's first besides the loss."""
    metrics: tuple[str, ...] = ()
    """More results to show. Default: those by which the task keeps its best weights."""
    test: str | None = None
    """Also what evaluate found on this split, such as eigen, with the same epochs' weights."""
    format: Literal["terminal", "markdown", "csv", "html"] = "terminal"
    """html is one page with figures, for which --output says where."""
    output: Path | None = None
    """File to write. Default: print."""


def compare(config: CompareConfig) -> None:
    """One row for each run of a sweep: its swept flags and its best validation results with 95 % intervals, best first.

    Example: python -m litemono.compare --log_dir runs/sweep --format html --output sweep.html
    """
    from litemono.study.formats import FORMATS
    from litemono.study.runs import read_study
    from litemono.study.table import make_comparison

    require(config.format != "html" or config.output, "--format html: say where to write it: --output FILE.html")
    comparison = make_comparison(read_study(config.log_dir), config.by, config.metrics, config.test)
    if config.format == "html":
        from litemono.study.page import to_html

        text = to_html(comparison, str(config.log_dir))
    else:
        text = FORMATS[config.format](comparison)
    cli.print_or_write(text, config.output)


def main() -> None:
    cli.run(compare, CompareConfig, "python -m litemono.compare")


if __name__ == "__main__":
    main()
