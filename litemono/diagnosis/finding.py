"""One line of the doctor."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    good: bool | None
    """None: nothing to judge, only to know."""
    subject: str
    text: str
