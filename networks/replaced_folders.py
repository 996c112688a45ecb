"""Folders that are there whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

NEW, OLD = ".partial", ".replaced"
EARLIER = {".tmp": NEW, ".old": OLD}  # suffixes of 0.1


@contextlib.contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """`folder` with its parents; those that were missing vanish again when the block fails and nothing is in them.

    Raises OSError where it cannot be made.
    """
    missing = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for place in missing:
            with contextlib.suppress(OSError):  # something is in it
                place.rmdir()
        raise


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to write, which becomes `folder` when the block ends and vanishes when it fails.

    What has the name already is replaced, a link without what it points to. A kill between the two renames leaves the old
    and the new folder beside the place, each of them whole: `sweep` puts the old one back. Raises OSError.
    """
    new, old = (folder.with_name(f".{folder.name}{suffix}") for suffix in (NEW, OLD))
    remove(new)
    with made_folder(folder.parent):
        try:
            new.mkdir()
            yield new
            remove(old)
            if os.path.lexists(folder):
                folder.rename(old)
            new.rename(folder)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)  # it may be what fills the disk
            raise
    with contextlib.suppress(OSError):  # a reader on a network drive may hold it; the next time tries again
        remove(old)


def sweep(parent: Path) -> None:
    """Clear away what killed processes left in the folder `parent`; a folder that had no successor yet comes back.

    No living process may write there. Raises OSError.
    """
    for left in sorted(parent.glob(".?*")) if parent.is_dir() else ():
        kind = EARLIER.get(left.suffix, left.suffix)
        place = left.with_name(left.name[1 : -len(left.suffix)])
        if kind == OLD and left.is_dir() and any(left.iterdir()) and not os.path.lexists(place):
            left.rename(place)
        elif kind in (OLD, NEW):
            remove(left)


def remove(path: Path) -> None:
    """A folder with what is in it, a file, or a link without what it points to; nothing where there is none."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
