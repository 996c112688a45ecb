"""Which code and which command made weights, and the figures about them."""

from __future__ import annotations

from pathlib import Path

from litemono.engine import attempts
from litemono.utils.commit import code_state, typed_command


def of_this() -> dict[str, str]:
    """litemono, commit, diff (utils/commit.py) and command of this process."""
    return {**code_state()._asdict(), "command": typed_command()}


def of_training(weights: Path | None) -> list[dict[str, str]]:
    """The same of the run whose models/NAME these weights are, oldest first; one entry for each change of code or command."""
    if weights is None:
        return []
    found: list[dict[str, str]] = []
    for attempt in attempts.read(weights.absolute().parent.parent):
        made_by = {name: str(attempt.get(name, "")) for name in ("litemono", "commit", "diff", "command")}
        if not found or found[-1] != made_by:
            found.append(made_by)
    return found
