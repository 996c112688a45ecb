"""What is wrong with the user's own data while a command is refused. Advice says how to put it right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def cut_map(own: Path) -> None:
    file = own / "truth/0.npy"
    content = file.read_bytes()
    file.unlink()  # it may be a link
    file.write_bytes(content[:100])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "map cut short": cut_map,
}
"""Name -> what makes it, in the folder own/ with copies of what the flags name there."""
