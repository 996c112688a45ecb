"""What a data set answers about its lidar scans."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Scans(Protocol):
    """Scans from which depth is made, as packing keeps them: thinned, in one zip for each drive."""

    def find(self, root: Path, folder: str, frame: int) -> ScanFile:
        """A frame's scan, as a file or in its drive's zip; it may not exist."""

    def member(self, frame: int) -> str:
        """Place of a scan in its drive's folder, and in the zip."""

    def pack_path(self, root: Path, folder: str) -> Path:
        """The zip of a drive."""

    def thinned(self, root: Path, folder: str, raw: bytes, where: object) -> bytes:
        """Of a scan's content what depth maps need; `where` names it in messages."""

    def problem(self, scan: ScanFile) -> str | None:
        """What can be seen to be wrong with a scan without reading it."""


class ScanFile(Protocol):
    """A Path, or a member of a zip."""

    def is_file(self) -> bool: ...

    def read_bytes(self) -> bytes: ...
