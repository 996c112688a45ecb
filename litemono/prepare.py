"""python -m litemono.prepare: from KITTI's archives to frames that training reads at memory speed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from litemono import cli
from litemono.data import pack as packs
from litemono.data import wanted
from litemono.data.archives import Origin
from litemono.data.wanted import SplitConfig
from litemono.errors import UserError
from networks import weights

INTERRUPTED = 130


@dataclass(frozen=True)
class PackConfig:
    """Resize the frames of a split once and pack them, with scans and calibration, into a folder for --data_path.

    python -m litemono.prepare pack --from ZIPS --split eigen_zhou --output kitti_640x192

    Reads KITTI's zips as they are (nothing is extracted), or extracted drives. Kill it any time: the same command goes on
    with the drives that are not finished.
    """

    source: Annotated[str, tyro.conf.arg(name="from")]
    """Folder with KITTI's zips, or with extracted drives, or both. Or an address of KITTI's raw archives such as
    https://s3.eu-central-1.amazonaws.com/avg-kitti/raw_data: only the bytes of the wanted frames are fetched."""
    output: Path
    """Folder of the pack."""
    size: str = "640x192"
    """Width x height of the packed frames; training and evaluation then need this --width and --height."""
    skip_missing: bool = False
    """Pack what is there instead of stopping at a missing drive or frame; a later run adds the rest."""
    delete_zips: bool = False
    """Delete each zip as soon as its drives are packed and read back."""
    num_workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    """Drives packed at the same time. Default: one per core."""
    frames: SplitConfig = field(default_factory=SplitConfig)


@dataclass(frozen=True)
class WeightsConfig:
    """Fetch the ImageNet weights of the pose encoder, for compute nodes without internet.

    python -m litemono.prepare weights
    """

    output: Path = Path("weights")
    """Folder for the weights; training looks in ./weights."""
    num_layers: Literal[18, 34, 50] = 18
    """Which ResNet, as in training."""


def fetch_weights(config: WeightsConfig) -> None:
    print(weights.fetch_pose_imagenet(config.num_layers, config.output))


def pack(config: PackConfig) -> int:
    """Pack a split; UserError if any drive of it failed."""
    height, width = packs.parse_size(config.size)
    if config.num_workers < 1:
        raise UserError(f"--num_workers {config.num_workers}: must be at least 1")
    origin = Origin(config.frames.dataset, config.source)
    if config.delete_zips and not isinstance(origin.root, Path):
        raise UserError("--delete_zips: there are no zips to delete when --from is an address")
    need = wanted.wanted_by(config.frames)
    options = packs.Options(config.skip_missing, config.delete_zips, config.num_workers)
    console = Console(highlight=False)
    try:
        with packs.locked(config.output):
            index = packs.open_index(config.output, config.frames.dataset, height, width)
            summary = packs.pack_split(config.output, index, origin, need, options, console)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on with the drives that are not finished")
        return INTERRUPTED
    if summary.problems:
        problems = "\n  ".join(summary.problems)
        raise UserError(
            f"{len(summary.problems)} of {len(need)} drives were not packed:\n  {problems}\nThe others are whole; mend "
            "this and run the same command again"
        )
    console.print(
        f"{config.output}: {summary.packed} of {summary.wanted} frames at {config.size} and {summary.scans} scans; "
        f"train with --data_path {config.output} --height {height} --width {width}",
        soft_wrap=True,
    )
    return 0


COMMANDS = {
    PackConfig: pack,
    WeightsConfig: fetch_weights,
}
Command = (
    Annotated[PackConfig, tyro.conf.subcommand("pack")] | Annotated[WeightsConfig, tyro.conf.subcommand("weights")]
)


def prepare(config: PackConfig | WeightsConfig) -> int | None:
    """Prepare data and weights for training: fetch KITTI's archives, pack their frames, check them.

    python -m litemono.prepare pack --help
    """
    return COMMANDS[type(config)](config)


def main() -> None:
    cli.run(prepare, Command, "litemono.prepare")


if __name__ == "__main__":
    main()
