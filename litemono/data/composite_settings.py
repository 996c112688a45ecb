"""The flags of training data with backgrounds, masks and depth: where it is, how it is split and augmented."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from litemono.data.datasets.composites import SPLIT_SEED, VAL_SHARE
from litemono.data.settings import WorkersConfig
from litemono.utils.errors import require

AugmentComposites = Literal["jitter-cutout", "jitter", "flip", "none"]


@dataclass(frozen=True)
class CompositesConfig(WorkersConfig):
    """Where the pictures are and how they are read."""

    data_path: Path = Path("composites")
    """Folder with bg/, fgbg/, mask/ and depth/ or a zip of each, one zip with all, or what litemono prepare pack-composites
    has made of them: only then reading costs nothing."""
    val_share: float = VAL_SHARE
    """Share of the backgrounds whose pictures validate; no background is in both parts."""
    split_seed: int = SPLIT_SEED
    """Which backgrounds these are is a function of it; not of --seed, so that runs with several seeds can be compared."""
    augment: AugmentComposites = "jitter-cutout"
    """flip: mirrored views; jitter: and the same new colours for both pictures; jitter-cutout: and a grey rectangle in both.
    Mask and depth are only mirrored."""


def check_composites(data: CompositesConfig) -> None:
    """Raise UserError for a place that is not there and impossible numbers."""
    require(
        data.data_path.exists(),
        f"--data_path {data.data_path}: there is no such folder or zip; give the one that has bg/, fgbg/, mask/ and depth/, or "
        "render some (python -m litemono.synthetic composites --output composites)",
    )
    require(data.threads >= 0, f"--num_workers {data.num_workers}: must not be negative")
    require(0 < data.val_share < 1, f"--val_share {data.val_share}: must be above 0 and below 1, such as 0.2")
    require(0 <= data.split_seed < 2**63, f"--split_seed {data.split_seed}: must be in [0, 2^63)")
