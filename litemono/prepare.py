"""python -m litemono.prepare: from KITTI's archives to frames that training reads at memory speed."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from litemono.data.datasets import registry
from litemono.data.fit import KB_HEIGHT, KB_WIDTH
from litemono.data.packing import composites, composites_verify, picture_commands, requirements
from litemono.data.packing import split as packs
from litemono.data.packing import verify as verifying
from litemono.data.packing.download_command import DownloadConfig, download
from litemono.data.packing.motorcycle import MotorcycleConfig, write_motorcycle
from litemono.data.packing.output_folder import check_apart, locked
from litemono.data.packing.refine_maps import MapsConfig, pack_maps
from litemono.data.packing.requirements import SplitConfig
from litemono.data.packing.sources import Origin
from litemono.data.stores.composites import are_composites
from litemono.data.stores.folder import open_originals
from litemono.data.stores.packed import PackedStore
from litemono.data.stores.packed_index import PackedFit
from litemono.utils import cli
from litemono.utils.errors import UserError, require
from litemono.utils.parallel import available_cores
from litemono.utils.progress import progress_bar

SHOWN = 3


@dataclass(frozen=True)
class PackConfig:
    """Resize the frames of a split once and pack them, with scans and calibration, into a folder for --data_path.

    python -m litemono.prepare pack --from ZIPS --split eigen_zhou --output kitti_640x192

    Reads KITTI's zips as they are (nothing is extracted), or extracted drives; of --dataset nyu, redweb and pairs a folder, a zip
    or a folder of zips. Kill it any time: the same command continues with the drives or folders that are not finished.
    """

    source: Annotated[str, tyro.conf.arg(name="from")]
    """Folder with zips, or with what was extracted from them, or both. Or an address of KITTI's raw archives such as
    https://s3.eu-central-1.amazonaws.com/avg-kitti/raw_data: only the bytes of the wanted frames are fetched."""
    output: Path
    """Folder of the pack."""
    size: str = "640x192"
    """Width x height of the packed frames; training and evaluation then need this --width and --height."""
    fit: PackedFit = "stretch"
    """stretch: frames are resized to --size. kb_crop: not resized; KITTI's common 1216x352 at the bottom, for --fit kb_crop."""
    jpeg: int | None = None
    """Store frames as JPEGs of this quality, 1 to 100, and decode them when they are read: of Zhou at 640x192 and 95 about 4 GB
    instead of 16, for file servers slower than a core decodes. Pixels differ from the lossless pack's. Default: lossless."""
    skip_missing: bool = False
    """Pack what is there instead of stopping at a missing drive or frame; a later run adds the rest."""
    delete_zips: bool = False
    """Delete each zip as soon as its drives are packed and read back."""
    num_workers: int = field(default_factory=available_cores)
    """Drives packed at the same time. Default: one per core."""
    frames: SplitConfig = field(default_factory=SplitConfig)


@dataclass(frozen=True)
class VerifyConfig:
    """Check that every frame a split needs is there and whole; name what is not, and the archive it comes from.

    python -m litemono.prepare verify --data_path kitti_640x192 --split eigen_zhou

    What is packed (frames, depth, maps, composites) is compared with its checksums. Exit status 1 if anything is missing or
    damaged.
    """

    data_path: Path
    """Folder of a pack, or of images."""
    png: bool = False
    """Of a frame that is there as .png (as KITTI ships it) and as .jpg, take the .png; either is read where it is alone."""
    deep: bool = False
    """Decode every image of a folder, instead of looking at its first bytes alone."""
    num_workers: int = field(default_factory=available_cores)
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
    from networks import weights  # torch is imported after the flags are right

    print(weights.fetch_pose_imagenet(config.num_layers, config.output))


def stored(jpeg: int | None) -> str:
    """How the frames of a pack are stored, where it is not lossless."""
    return "" if jpeg is None else f"; JPEGs of quality {jpeg}, whose pixels differ from a lossless pack's"


def pack(config: PackConfig) -> int:
    """Pack a split; UserError if any drive of it failed."""
    height, width = packs.parse_size(config.size) if config.fit == "stretch" else (KB_HEIGHT, KB_WIDTH)
    _check_workers(config.num_workers)
    require(config.jpeg is None or 1 <= config.jpeg <= 100, f"--jpeg {config.jpeg}: must be from 1 to 100, such as 95")
    if (dataset := registry.PICTURES.get(config.frames.dataset)) is not None:
        require(
            config.fit == "stretch" and not config.delete_zips and config.jpeg is None,
            "--fit kb_crop, --delete_zips, --jpeg: are for drives of KITTI",
        )
        more = config.frames.split, config.skip_missing, config.num_workers
        picture_commands.pack(dataset, Path(config.source), config.output, (height, width), *more)
        return 0
    origin = Origin(config.frames.data, config.source)
    if config.delete_zips and not isinstance(origin.root, Path):
        raise UserError("--delete_zips: there are no zips to delete when --from is an address")
    if isinstance(origin.root, Path):
        check_apart(origin.root, config.output)
    need = requirements.wanted_by(config.frames)
    options = packs.Options(config.skip_missing, config.delete_zips, config.num_workers)
    console = Console(highlight=False, markup=False)
    try:
        with locked(config.output, "pack"):
            index = packs.open_index(config.output, config.frames.data, height, width, config.fit, config.jpeg)
            summary = packs.pack_split(config.output, index, origin, need, options, console)
    except KeyboardInterrupt:
        console.print("interrupted; the same command continues with the drives that are not finished")
        return cli.INTERRUPTED
    depth = f", depth of {summary.pictures} of {summary.wanted_pictures}" if summary.wanted_pictures else ""
    how = f"--height {height} --width {width}" if config.fit == "stretch" else "--fit kb_crop"
    console.print(
        f"{config.output}: {summary.packed} of {summary.wanted} frames at {width}x{height} and {summary.scans} scans{depth}"
        f"{stored(config.jpeg)}; "
        f"train with {registry.flag(config.frames.dataset)}--data_path {shlex.quote(str(config.output))} {how}",
        soft_wrap=True,
    )
    return 0


def _check_workers(count: int) -> None:
    if count < 1:
        raise UserError(f"--num_workers {count}: must be at least 1")


def verify(config: VerifyConfig) -> int:
    """Print what is missing or damaged; 1 if anything is."""
    _check_workers(config.num_workers)
    if are_composites(config.data_path):
        require(
            config == VerifyConfig(config.data_path, num_workers=config.num_workers),
            f"--data_path {config.data_path}: has backgrounds and figures, all of which are checked; give --data_path and "
            "--num_workers alone",
        )
        return composites_verify.verify(config.data_path, config.num_workers)
    if (dataset := registry.PICTURES.get(config.frames.dataset)) is not None:
        more = config.frames.split, config.deep, config.num_workers
        return picture_commands.verify(dataset, config.data_path, *more)
    need = requirements.wanted_by(config.frames)
    store = open_originals(config.frames.dataset, config.data_path, config.png)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    with progress_bar(sum(len(drive.frames) for drive in need.values()), "frames", console=console) as tick:
        report = verifying.verify(store, config.frames.data, need, config.deep, config.num_workers, tick)
    for title, problems in (("missing", report.missing), ("damaged", report.damaged)):
        for folder, texts in sorted(problems.items()):
            console.print(f"{folder}: {len(texts)} {title}")
            for text in texts[:SHOWN]:
                console.print(f"  {text}")
            if len(texts) > SHOWN:
                console.print(f"  and {len(texts) - SHOWN} more")
    archives = report.archives(config.frames.data)
    if archives:
        console.print(f"archives with these: {' '.join(archives)}")
    bad = sum(map(len, report.missing.values())), sum(map(len, report.damaged.values()))
    looked = config.deep or isinstance(store, PackedStore)
    fine = "all are there and whole" if looked else "all are there (--deep looks into them too)"
    kind = stored(store.index.jpeg) if isinstance(store, PackedStore) else ""
    verdict = f"{bad[0]} files or frames missing, {bad[1]} damaged" if any(bad) else fine
    console.print(
        f"{config.data_path}: {report.frames} frames of {config.frames.name}: {verdict}; {report.scans_text}{kind}"
    )
    return 1 if any(bad) else 0


COMMANDS: dict[type, Callable[[Any], int | None]] = {
    DownloadConfig: download,
    PackConfig: pack,
    VerifyConfig: verify,
    WeightsConfig: fetch_weights,
    MotorcycleConfig: write_motorcycle,
    MapsConfig: pack_maps,
    composites.CompositesConfig: composites.pack,
}
Command: Any = (  # tyro takes a union, which no type[...] can describe
    Annotated[DownloadConfig, tyro.conf.subcommand("download")]
    | Annotated[PackConfig, tyro.conf.subcommand("pack")]
    | Annotated[VerifyConfig, tyro.conf.subcommand("verify")]
    | Annotated[WeightsConfig, tyro.conf.subcommand("weights")]
    | Annotated[MotorcycleConfig, tyro.conf.subcommand("motorcycle")]
    | Annotated[MapsConfig, tyro.conf.subcommand("maps")]
    | Annotated[composites.CompositesConfig, tyro.conf.subcommand("pack-composites")]
)


def prepare(config: Any) -> int | None:
    """Prepare data and weights for training: fetch KITTI's archives, pack frames or composites, check them.

    python -m litemono.prepare pack --help
    """
    return COMMANDS[type(config)](config)


def main() -> None:
    cli.run(prepare, Command, "python -m litemono.prepare")


if __name__ == "__main__":
    main()
