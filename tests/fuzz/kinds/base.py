"""What a kind of input is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis.strategies import SearchStrategy

Use = Callable[[bytes], object]


@dataclass(frozen=True)
class Kind:
    """Inputs that are one file."""

    name: str
    wholes: Sequence[bytes]
    """Examples that must be accepted."""
    inputs: SearchStrategy[bytes]
    prepare: Callable[[Path], Use]
    """Make in this folder what stands around the file; returns what writes the file there and reads it as our commands do."""
