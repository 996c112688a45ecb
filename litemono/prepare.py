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
from litemono.data import verify as verifying
from litemono.data import wanted
from litemono.data.archives import Origin
from litemono.data.pack import progress_bar
from litemono.data.wanted import SplitConfig
from litemono.errors import UserError
from networks import weights

INTERRUPTED = 130
SHOWN = 3


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
class VerifyConfig:
    """Check that every frame a split needs is there and whole; name what is not, and the archive it comes from.

    python -m litemono.prepare verify --data_path kitti_640x192 --split eigen_zhou

    Packed frames are compared with their checksums. Exit status 1 if anything is missing or damaged.
    """

    data_path: Path
    """Folder of a pack, or of images."""
    png: bool = False
    """A folder's images are .png, not .jpg."""
    deep: bool = False
    """Decode every image of a folder, instead of looking for its file alone."""
    num_workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    """Threads. Default: one per core."""
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
    _demand_workers(config.num_workers)
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


def _demand_workers(count: int) -> None:
    if count < 1:
        raise UserError(f"--num_workers {count}: must be at least 1")


def verify(config: VerifyConfig) -> int:
    """Print what is missing or damaged; 1 if anything is."""
    _demand_workers(config.num_workers)
    need = wanted.wanted_by(config.frames)
    store = verifying.open_for_checking(config.frames.dataset, config.data_path, config.png)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    with progress_bar(console, sum(len(drive.frames) for drive in need.values())) as tick:
        report = verifying.verify(store, need, config.deep, config.num_workers, tick)
    for title, problems in (("missing", report.missing), ("damaged", report.damaged)):
        for folder, texts in sorted(problems.items()):
            console.print(f"{folder}: {len(texts)} {title}")
            for text in texts[:SHOWN]:
                console.print(f"  {text}")
            if len(texts) > SHOWN:
                console.print(f"  and {len(texts) - SHOWN} more")
    archives = report.archives(config.frames.dataset)
    if archives:
        console.print(f"KITTI archives with these: {' '.join(archives)}")
    bad = sum(map(len, report.missing.values())), sum(map(len, report.damaged.values()))
    verdict = f"{bad[0]} files or frames missing, {bad[1]} damaged" if any(bad) else "all are there and whole"
    console.print(f"{config.data_path}: {report.frames} frames of {config.frames.name}: {verdict}; {report.scans_text}")
    return 1 if any(bad) else 0


COMMANDS = {
    PackConfig: pack,
    VerifyConfig: verify,
    WeightsConfig: fetch_weights,
}
Command = (
    Annotated[PackConfig, tyro.conf.subcommand("pack")]
    | Annotated[VerifyConfig, tyro.conf.subcommand("verify")]
    | Annotated[WeightsConfig, tyro.conf.subcommand("weights")]
)


def prepare(config: PackConfig | VerifyConfig | WeightsConfig) -> int | None:
    """Prepare data and weights for training: fetch KITTI's archives, pack their frames, check them.

    python -m litemono.prepare pack --help
    """
    return COMMANDS[type(config)](config)


def main() -> None:
    cli.run(prepare, Command, "litemono.prepare")


if __name__ == "__main__":
    main()
