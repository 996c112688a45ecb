"""How a refiner brings another network's depth to metres before it looks at the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

from networks.errors import NetworkError


@dataclass(frozen=True)
class Alignment:
    """The best global scale and shift: x = scale * given + shift is depth in metres, or inverse depth in 1/metres."""

    inverse: bool = False
    """The given depth is inverse depth up to scale and shift (DPT, MiDaS), and so is x; else depth up to scale and shift."""
    scale: float = 1.0
    shift: float = 0.0
    unit: float = 10.0
    """Metres. A typical depth: networks compute in this unit."""
    farthest: float = 80.0
    """Metres. The aligned depth is not beyond it."""

    def __post_init__(self) -> None:
        numbers = (self.scale, self.shift, self.unit, self.farthest)
        if not (all(map(math.isfinite, numbers)) and self.unit > 0 and self.farthest > 0):
            raise NetworkError(f"an alignment of {self} is none: all numbers are finite, unit and farthest positive")
