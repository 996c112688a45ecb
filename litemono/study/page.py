"""A comparison as one self-contained HTML page: table, figures, notes."""

from __future__ import annotations

import sys
from pathlib import Path

from litemono import __version__
from litemono.study.formats import number, seed_lines, span
from litemono.study.table import Comparison
from litemono.utils.html import render

TEMPLATE = Path(__file__).parent / "templates/compare.html.j2"


def to_html(comparison: Comparison, title: str) -> str:
    """Nothing on the page is fetched from elsewhere."""
    from litemono.study.figures import all_figures

    return render(
        TEMPLATE,
        title=title,
        comparison=comparison,
        behind=any(row.behind for row in comparison.rows),
        seeds=seed_lines(comparison),
        figures=all_figures(comparison),
        number=number,
        span=span,
        version=__version__,
        command=" ".join(["litemono compare", *sys.argv[1:]]),
    )
