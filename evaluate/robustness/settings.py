"""The flags of evaluate --corruptions, and what they choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from litemono.utils.errors import UserError, require

from .corruptions import CORRUPTIONS, SEVERITIES


@dataclass(frozen=True)
class RobustnessConfig:
    """Robustness of a network: KITTI-C's corruptions (RoboDepth), made from the clean test images."""

    corruptions: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="all|NAME ...",
            help=f"Evaluate corrupted images too: all, or some of {', '.join(CORRUPTIONS)}. All with all severities give mCE "
            "and mRR beside the published ones.",
        ),
    ] = ()
    severities: str = "1-5"
    """Of the corruptions, such as 1-5 or 1,3,5."""
    frost_photos: Path | None = None
    """Folder of photos of ice for frost, as the package imagecorruptions has them. Default: ice is drawn."""


def chosen_corruptions(config: RobustnessConfig) -> tuple[str, ...]:
    """In the order of the published table. Raises UserError for a name that is none."""
    names = {name for given in config.corruptions for name in given.split(",") if name}
    for name in names - {"all"}:
        require(name in CORRUPTIONS, f"--corruptions {name}: choose all or some of {', '.join(CORRUPTIONS)}")
    return tuple(name for name in CORRUPTIONS if name in names or "all" in names)


def chosen_severities(config: RobustnessConfig) -> tuple[int, ...]:
    chosen: set[int] = set()
    for part in config.severities.split(","):
        ends = re.fullmatch(r"\s*(\d)(?:-(\d))?\s*", part)
        low, high = (int(ends[1]), int(ends[2] or ends[1])) if ends else (0, 0)
        if not 1 <= low <= high <= len(SEVERITIES):
            raise UserError(f"--severities {config.severities}: give severities from 1 to 5, such as 1-5 or 1,3")
        chosen.update(range(low, high + 1))
    return tuple(sorted(chosen))


def check_robustness(config: RobustnessConfig, network: bool) -> None:
    """network: whether a network is evaluated. Raises UserError for flags that do not go together."""
    chosen_corruptions(config)
    chosen_severities(config)
    if not config.corruptions:
        given = "--frost_photos" if config.frost_photos else "--severities" if config.severities != "1-5" else None
        require(
            given is None,
            f"{given} goes with --corruptions and a network; give --load_weights FOLDER --corruptions all",
        )
        return
    require(network, "--corruptions shows images to a network: give --load_weights FOLDER, not --pred")
    folder = config.frost_photos
    require(folder is None or folder.is_dir(), f"--frost_photos {folder}: there is no such folder")
