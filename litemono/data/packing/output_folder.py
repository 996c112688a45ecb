"""The folder that a command of `litemono prepare` fills: apart from its source, and filled by one process at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from litemono.utils.atomic_files import NoLocks, made_folder, try_lock, writable
from litemono.utils.errors import UserError, require

LOCK_WAIT_S = 2.0  # workers of a killed run notice its end after a frame


def check_apart(source: Path, output: Path) -> None:
    """UserError where --output is --from."""
    same = os.path.realpath(source) == os.path.realpath(output)
    require(not same, f"--output {output}: is --from itself; the pack needs a folder of its own")


@contextlib.contextmanager
def locked(root: Path, what: str) -> Iterator[None]:
    """Keep another process from doing `what` in `root`, which is made, and removed where the block fails with nothing in it.

    The lock goes with its last process, however that ends. Its file is removed at the end; that of a killed process may stay.
    """
    path = root / f".{what}.lock"
    with contextlib.ExitStack() as stack:
        with writable(root):
            stack.enter_context(made_folder(root))
        while True:
            with writable(root):
                file = open(path, "ab")
            stack.callback(file.close)
            try:
                free = try_lock(file, LOCK_WAIT_S)
            except NoLocks:
                free = True
            if not free:
                raise UserError(f"{root}: another {what} runs in this folder; wait for it, or choose another --output")
            if _is_at(file, path):
                break  # else the process that had the lock has removed its file
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps open files
                path.unlink()


@contextlib.contextmanager
def taken_back(root: Path, files: Iterable[Path], kept: Callable[[], object]) -> Iterator[None]:
    """Where the block fails and not kept(), those of `files` that were absent before vanish, and their folders below `root`."""
    new = {path for path in files if not os.path.lexists(path)}
    try:
        yield
    except Exception:
        if not kept():
            for path in new:
                path.unlink(missing_ok=True)
            _remove_empty(root, {path.parent for path in new})
        raise


def _remove_empty(root: Path, folders: Iterable[Path]) -> None:
    """The folders below `root`, and those that they are in, as far as nothing is in them."""
    below = {place for folder in folders for place in (folder, *folder.parents) if root in place.parents}
    for place in sorted(below, key=lambda place: -len(place.parts)):
        with contextlib.suppress(OSError):
            place.rmdir()


def _is_at(file: IO, path: Path) -> bool:
    """Whether `path` still is the open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
