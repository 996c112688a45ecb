"""`litemono.prepare download`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from litemono.data.kitti.paths import KITTI_ADDRESS
from litemono.data.packing import download as downloads
from litemono.data.packing import http, requirements
from litemono.data.packing.output_folder import locked
from litemono.data.packing.requirements import SplitConfig
from litemono.utils import cli
from litemono.utils.errors import UserError
from litemono.utils.progress import BYTES, progress_bar


@dataclass(frozen=True)
class DownloadConfig:
    """Fetch the KITTI archives that a split needs.

    python -m litemono.prepare download --output zips --split eigen_zhou --dry_run

    Stop it any time: the same command continues where it stopped. To save most of the download and of the disk, let pack read
    from the server instead (pack --from ADDRESS).
    """

    output: Path
    """Folder for the zips."""
    base_url: str = KITTI_ADDRESS
    """Address below which the archives lie, KITTI's or a mirror's: http(s)://... or file:///..."""
    archives: tuple[str, ...] = ()
    """Only these, by the names that verify prints (2011_09_26_drive_0001_sync.zip)."""
    parallel: int = 4
    """Archives fetched at the same time."""
    dry_run: bool = False
    """Print the plan and stop."""
    frames: SplitConfig = field(default_factory=SplitConfig)


def download(config: DownloadConfig) -> int:
    """Print the plan, then fetch; UserError if an archive could not be fetched."""
    if config.parallel < 1:
        raise UserError(f"--parallel {config.parallel}: must be at least 1")
    if not http.is_address(config.base_url):
        raise UserError(f"--base_url {config.base_url}: must begin with http://, https:// or file://")
    downloads.check_place(config.output)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    archives = downloads.plan(config.base_url, _archive_paths(config), config.output)
    to_fetch = _print_plan(config, archives, console)
    if config.dry_run:
        return 0
    downloads.check_room(archives, config.output)
    try:
        with (
            locked(config.output, "download"),
            progress_bar(to_fetch, "archives", BYTES, console) as tick,
        ):
            problems = downloads.fetch_all(archives, config.parallel, tick)
    except KeyboardInterrupt:
        console.print("interrupted; the same command continues where it stopped")
        return cli.INTERRUPTED
    if problems:
        lines = "\n  ".join(problems)
        raise UserError(
            f"{len(problems)} archives are not here yet:\n  {lines}\nRun the same command again to continue"
        )
    console.print(
        f"{config.output}: all {len(archives)} archives are here; next: python -m litemono.prepare pack --from "
        f"{shlex.quote(str(config.output))} --split {config.frames.name} --output DIR"
    )
    return 0


def _archive_paths(config: DownloadConfig) -> list[str]:
    """The archives to have, relative to --base_url."""
    dataset = config.frames.data
    if dataset.fetched_by_hand:
        raise UserError(f"--dataset {dataset.name}: {dataset.fetched_by_hand}")
    paths = dataset.archives_with_calibration(requirements.wanted_by(config.frames))
    if not paths:
        raise UserError(
            f"--split {config.frames.name}: no published archive of --dataset {dataset.name} has its drives"
        )
    by_name = {path.rsplit("/", 1)[-1]: path for path in paths}
    unknown = [name for name in config.archives if name not in by_name]
    if unknown:
        raise UserError(
            f"--archives {unknown[0]}: not one of the {len(paths)} archives of --split {config.frames.name}"
        )
    return [by_name[name] for name in config.archives] or paths


def _print_plan(config: DownloadConfig, archives: list[downloads.Archive], console: Console) -> int:
    """Say what is there, what will be fetched and what room there is; returns the bytes to fetch as far as known."""
    missing = [archive for archive in archives if not archive.complete]
    to_fetch = sum((archive.size or 0) - archive.there for archive in missing)
    total = sum(archive.size or 0 for archive in archives)
    unknown = sum(archive.size is None for archive in archives)
    if config.dry_run:
        for archive in archives:
            size = "size unknown" if archive.size is None else f"{archive.size / 1e9:8.3f} GB"
            state = "here" if archive.complete else f"{archive.there / 1e9:.3f} GB here" if archive.there else ""
            console.print(f"{archive.target.name:40} {size:>12}  {state}".rstrip())
    console.print(
        f"{len(archives)} archives, {total / 1e9:.1f} GB in all{f' and {unknown} of unknown size' if unknown else ''}; "
        f"{len(archives) - len(missing)} are here, {to_fetch / 1e9:.1f} GB to fetch; "
        f"{downloads.free_bytes(config.output) / 1e9:.1f} GB free in {config.output}"
    )
    return to_fetch
