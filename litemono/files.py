"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from litemono.errors import UserError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file to write; what was written becomes `path` when the block ends, and vanishes when it fails.

    Missing parent folders are made. A place where nothing can be written, or a full disk, is a UserError.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        file = open(temporary, "wb")  # noqa: SIM115 - closed by the block below
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place for it") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose another disk"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path | str, data: bytes) -> None:
    """Make `data` the content of `path`: readers find the old or the new, even after a power cut."""
    with replacing(path) as file:
        file.write(data)
