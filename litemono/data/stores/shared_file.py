"""A file of a pack, read by position by several threads."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from litemono.utils.errors import UserError


class SharedFile:
    """Opened when it is first read, closed with this object."""

    def __init__(self, path: Path, needed: int, command: str = "pack") -> None:
        """needed: bytes that the pack's index names. UserError where the file has fewer; command: of `litemono prepare`, which
        writes it again."""
        self.path = path
        self._file = self._replaced = -1
        self._lock = threading.Lock()
        there = path.stat().st_size if "\0" not in str(path) and path.is_file() else 0
        if there < needed:
            raise UserError(
                f"{path}: {there} of {needed} bytes are there; the pack is damaged. Run the same "
                f"python -m litemono.prepare {command} again: it packs what is incomplete anew"
            )

    def read_into(self, target: memoryview, start: int, frame: int) -> None:
        """Fill `target` from byte `start` on. frame: for the UserError where the file ends before."""
        if os.preadv(self._descriptor(), [target], start) != target.nbytes:
            raise UserError(f"{self.path}: ends before frame {frame}; was it changed while it is in use?")

    def use_copy(self, path: Path) -> None:
        """Read from a copy of the file from now on."""
        opened = os.open(path, os.O_RDONLY)
        with self._lock:
            self._replaced, self._file = self._file, opened  # other threads may still read from the one before

    def _descriptor(self) -> int:
        if self._file < 0:
            with self._lock:
                if self._file < 0:
                    self._file = os.open(self.path, os.O_RDONLY)
        return self._file

    def __del__(self) -> None:
        for file in (self._file, self._replaced):
            if file >= 0:
                os.close(file)
