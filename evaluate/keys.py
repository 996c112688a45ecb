"""The key of an image, by which its prediction and its ground truth are found; sources/names.py makes it of a name."""

from __future__ import annotations

import re

Key = tuple[str, ...]

DRIVE = re.compile(r"\d{4}_\d\d_\d\d_drive_\d{4}_(?:sync|extract)")


def video_of(key: Key) -> str:
    """The drive, scene or room of an image; "" where its name has no other part than its own."""
    return "_".join((key[0], key[2]) if DRIVE.fullmatch(key[0]) else key[:-1])
