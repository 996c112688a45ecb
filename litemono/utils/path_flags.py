"""Paths among a command's settings, looked at before anything is asked or computed."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from litemono.utils.errors import require

Value = TypeVar("Value")

MOST_FOLDERS = 255  # one inside the other; Python makes a few hundred
LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes; of Linux, and of the file systems of clusters


def check_paths(settings: Any) -> None:
    """Raise UserError for a path that no file system takes. settings: a dataclass of flags, with groups inside."""
    for flag, path in given(settings, Path):
        longest = max((len(part.encode(errors="replace")) for part in path.parts), default=0)
        shown = f"--{flag} {str(path)[:60]}..."
        require(longest <= LONGEST_NAME, f"{shown}: no file system takes a name of {longest} bytes; give a shorter one")
        length = len(str(path).encode(errors="replace"))
        require(length <= LONGEST_PATH, f"{shown}: no file system takes a path of {length} bytes; give a shorter one")
        deep = len(path.parts) - 1
        require(
            deep <= MOST_FOLDERS,
            f"{shown}: has {deep} folders one inside the other; give a path of at most {MOST_FOLDERS}",
        )
        require("\0" not in str(path), f"--{flag}: a path has no NUL characters; give another one")
        require(not _is_loop(path), f"--{flag} {path}: is a link that leads back to itself; give another path")


def _is_loop(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def given(settings: Any, kind: type[Value]) -> Iterator[tuple[str, Value]]:
    """Flag and value of each setting that has this type, or is a tuple with such values; groups included."""
    hints = get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from given(value, kind)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, kind):
                yield flag_of(field.name, hints[field.name]), item


def flag_of(name: str, hint: Any) -> str:
    """The flag of a field: its name, or another that tyro.conf.arg gives it."""
    return next((part.name for part in getattr(hint, "__metadata__", ()) if getattr(part, "name", None)), name)
