"""Self-contained HTML pages: Jinja templates that share one style sheet, for light and dark, desktop and phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHARED = Path(__file__).with_name("templates")  # page.css, which templates include


def render(template: Path, **content: Any) -> str:
    """The page; a name that the template uses and `content` lacks is an error, and texts are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(**content)
