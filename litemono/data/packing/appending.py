"""Adding to a file of a pack: behind what the index names, on the disk for sure, and read back."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from litemono.data.stores.packed import frames_are_whole
from litemono.utils.errors import UserError

OTHER_BYTES = "the disk gives back other bytes than were written; is it failing?"


@contextmanager
def _taken_back(path: Path, start: int) -> Iterator[None]:
    """A file that was begun here vanishes when the block fails: the next content may have another type."""
    try:
        yield
    except BaseException:
        if start == 0:
            path.unlink(missing_ok=True)
        raise


def append(path: Path, start: int, contents: Iterable[bytes]) -> list[int]:
    """Write `contents` from byte `start` on, where what the index names ends; returns the CRC-32 of each.

    What an interrupted run left behind `start` is cut off. UserError where the disk gives back other bytes than were written.
    """
    lengths, crcs = [], []
    with open(path, "ab") as file, _taken_back(path, start):
        file.truncate(start)
        for content in contents:
            file.write(content)
            lengths.append(len(content))
            crcs.append(zlib.crc32(content))
        file.flush()
        os.fsync(file.fileno())
    if not frames_are_whole(path, start, crcs, lengths):
        raise UserError(f"{path}: {OTHER_BYTES}")
    return crcs
