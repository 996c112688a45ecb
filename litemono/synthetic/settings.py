"""What a rendered street is a function of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from litemono.utils.errors import UserError

LARGEST = 4096  # pixels a side; a picture is rendered at once


@dataclass(frozen=True)
class Settings:
    """What a world is a function of."""

    height: int = 128
    """Height of the images."""
    width: int = 416
    """Width of the images."""
    drives: int = 8
    """Streets, at least 3: the last is for testing, the one before for validation, the others for training."""
    frames_per_drive: int = 60
    """Frames of each drive, about 0.55 m apart."""
    seed: int = 0
    """Another seed, another world."""
    left_only: bool = False
    """The left camera alone instead of a stereo pair."""
    ext: Literal["png", "jpg"] = "png"
    """Format of the images."""

    def check(self) -> None:
        if self.drives < 3:
            raise UserError(f"--drives {self.drives}: at least 3, because testing and validation take one each")
        if self.frames_per_drive < 3:
            raise UserError(f"--frames_per_drive {self.frames_per_drive}: at least 3, a frame and its two neighbours")
        if min(self.height, self.width) < 16:
            raise UserError(f"--height {self.height} --width {self.width}: at least 16 pixels each")
        if max(self.height, self.width) > LARGEST:
            raise UserError(f"--height {self.height} --width {self.width}: at most {LARGEST} pixels each")
        if self.seed < 0:
            raise UserError(f"--seed {self.seed}: must not be negative")
        if self.ext not in ("png", "jpg"):
            raise UserError(f"--ext {self.ext}: png or jpg")
