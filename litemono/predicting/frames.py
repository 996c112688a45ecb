"""What every source of images hands out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image


@dataclass(frozen=True)
class Frame:
    """One image of the input, not yet decoded."""

    index: int
    """Its place in the input, from 0."""
    name: str
    """What its results are called, without their endings; may have a folder."""
    read: Callable[[], Image.Image]
    """RGB, upright. Raises UserError for one that is broken. Any thread may call it."""
    seconds: float | None = None
    """When it is shown, from the start of a film; None where only the order is known."""


class Source(Protocol):
    """An image, a folder, a film, a camera."""

    name: str
    """What results for all frames are called."""
    where: str
    """As it was given, for messages."""
    folder: Path
    """Where results go by default."""
    files: list[Path]
    """What is read."""
    count: int | None
    """Frames; None where that is not known."""
    rate: float
    """Frames per second."""

    def frames(self, start: int) -> Iterator[Frame]:
        """Those from `start` on, in order."""

    def complaint(self) -> str | None:
        """After the last frame: what was wrong with the input as such, such as a film that ends early."""
