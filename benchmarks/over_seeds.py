"""What the benchmarks that train over several seeds have in common: their flags, and the table of abs_rel by seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from litemono.utils.errors import require


@dataclass(frozen=True)
class OverSeedsConfig:
    """How often each is trained."""

    output: Path = Path("trainings")
    """Folder for the data and the runs; the same command again continues with what is there."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One training of each for every seed: other first weights, another order of samples; the data is the same."""
    num_epochs: int = 6
    """Epochs of each training, as in the demo."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    json: Path | None = None
    """Also write the results to this file, after every training."""
    small: bool = False
    """Three short streets and images of 64x32: to see that it runs. The figures mean nothing."""

    def check(self) -> None:
        """Raise UserError for impossible values."""
        require(self.seeds and min(self.seeds) >= 0, "--seeds must not be negative (give one at least)")
        require(self.num_epochs >= 1, f"--num_epochs {self.num_epochs}: must be at least 1")


def cells(values: Iterable[float]) -> list[str]:
    """Of a row: each seed's value, then their mean."""
    values = list(values)
    return [f"{value:.4f}" for value in (*values, float(np.mean(values)))]
