"""Zip archives from elsewhere (.npz too): their sizes are looked at before anything is unpacked."""

from __future__ import annotations

import struct
import zipfile
import zlib

try:
    from lzma import LZMAError
except ImportError:  # a Python built without it
    LZMAError = zlib.error  # type: ignore[assignment, misc]

# What Python's zipfile raises for a damaged archive; ValueError: member names that are not UTF-8.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, LZMAError, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, OSError, ValueError),
)
MOST_BYTES = 2**28
MOST_SHRUNK = 100  # sparse depth shrinks 20-fold, zeros 1000-fold


def check_sizes(archive: zipfile.ZipFile) -> None:
    """Raise ValueError for members that unpack to far more than depth maps do: a small file that takes all memory."""
    for member in archive.infolist():
        if member.file_size > MOST_BYTES and member.file_size > MOST_SHRUNK * member.compress_size:
            raise ValueError(
                f"its member {member.filename[:40]!r} of {member.compress_size / 1e6:.1f} MB unpacks to "
                f"{member.file_size / 1e9:.1f} GB"
            )
