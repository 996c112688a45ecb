"""Folders of rendered data: whole or not there, made once for the same settings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from litemono.utils.errors import UserError

RECORD = "world.json"
"""The settings that a folder was rendered with; written last."""


def make_once(folder: Path, record: dict[str, Any], write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder that then becomes `folder`, or take the one that is there when it has the same record.

    Until everything is in it the work is in a neighbour named `.<folder>.partial`.
    """
    if folder.exists():
        _check_same(folder, record)
        return
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    try:
        write(partial_folder)
        (partial_folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")
        os.replace(partial_folder, folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another --output") from None
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


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
