"""Folders of rendered data: whole or not there, made once for the same settings, by several processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from litemono.utils.atomic_files import replacing_folder
from litemono.utils.errors import UserError
from litemono.utils.parallel import process_map
from litemono.utils.progress import track

Part = TypeVar("Part")
RECORD = "world.json"
"""The settings that a folder was rendered with; written last."""


def make_once(folder: Path, record: dict[str, Any], write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder that then becomes `folder`, or take the one that is there when it has the same record.

    Until everything is in it the work is in a neighbour (networks/replaced_folders.py).
    """
    if folder.exists():
        _check_same(folder, record)
        return
    try:
        with replacing_folder(folder) as partial:
            write(partial)
            (partial / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another --output") from None


def render_all(write: Callable[[Part], None], parts: Sequence[Part], num_workers: int, title: str) -> None:
    """write(part) for each part, with a progress line; by num_workers processes, or in this one where it is 1."""
    for _ in track(process_map(write, parts, num_workers), len(parts), title):
        pass


def _check_same(folder: Path, record: dict[str, Any]) -> None:
    try:
        there = dict(json.loads((folder / RECORD).read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        raise UserError(f"{folder}: exists and is no rendered world; choose another --output") from None
    other = [f"{key} {there.get(key)}, not {value}" for key, value in record.items() if there.get(key) != value]
    if other:
        raise UserError(
            f"{folder}: was rendered with other settings ({'; '.join(other)}); remove it or choose another --output"
        )
