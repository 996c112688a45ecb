"""What is looked at before a split is packed: whether --from has its drives and their depth, and the disk room for them."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console

from litemono.data.packing.drive import Job
from litemono.data.packing.drive_maps import find_picture
from litemono.data.packing.requirements import Wanted
from litemono.data.packing.sources import Origin
from litemono.data.stores.packed_index import Drive, PackIndex
from litemono.data.stores.packed_jpeg import SHARE
from litemono.utils.errors import UserError, require

PICTURE_BYTES = 1_000_000  # of a depth map at its original size
SCAN_BYTES = 150_000  # of a thinned, compressed scan
NAMED = 10


def jobs_with_archive(jobs: list[Job], skip_missing: bool, console: Console) -> list[Job]:
    """Jobs whose drives are in --from at all; UserError that names the others, unless skip_missing."""
    absent = sorted(job.folder for job in jobs if not job.origin.has(job.folder))
    if not absent:
        return jobs
    names = ", ".join(absent[:NAMED]) + (f" and {len(absent) - NAMED} more" if len(absent) > NAMED else "")
    text = f"--from {jobs[0].origin.root} has neither zip nor folder of {len(absent)} drives ({names})"
    if not skip_missing:
        raise UserError(f"{text}; fetch them (python -m litemono.prepare download), or pack the rest: --skip_missing")
    console.print(f"warning: {text}; left out", markup=False, highlight=False, soft_wrap=True)
    return [job for job in jobs if job.folder not in absent]


def require_depth(index: PackIndex, origin: Origin, wanted: dict[str, Wanted], jobs: list[Job]) -> None:
    """UserError, before anything is written, where depth is wanted, none is packed, and --from has none."""
    there, count = count_pictures(index, wanted)
    if there or not count:
        return
    sources = origin.open_pictures()
    keys = ((job.folder, frame, side) for job in jobs for side, frame in job.pictures)
    try:
        found = any(find_picture(origin.dataset, sources, "depth", *key) for key in keys)
    finally:
        for source in sources:
            source.close()
    archives = " and ".join(origin.dataset.picture_archives())
    require(
        found,
        f"--from {origin.root}: has no depth for any of {count} frames; put {archives} there, as a zip or extracted, and "
        "run the same command again",
    )


def count_pictures(index: PackIndex, wanted: dict[str, Wanted]) -> tuple[int, int]:
    """Frames whose depth is packed, and those that should have it."""
    there = 0
    for folder, need in wanted.items():
        cameras = index.drives.get(folder, Drive()).cameras.items()
        depth = {(side, frame) for side, c in cameras if "depth" in c.pictures for frame in c.pictures["depth"].frames}
        there += len(need.pictures & depth)
    return there, sum(len(need.pictures) for need in wanted.values())


def check_room(root: Path, jobs: list[Job]) -> None:
    """Raise UserError if the disk has less room than the frames will take."""
    need = sum(
        len(job.frames) * _frame_bytes(job.index) + len(job.scans) * SCAN_BYTES + len(job.pictures) * PICTURE_BYTES
        for job in jobs
    )
    free = shutil.disk_usage(root).free
    if need > free:
        raise UserError(f"--output {root}: {need / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")


def _frame_bytes(index: PackIndex) -> int:
    """What a frame takes on the disk, at most."""
    return index.frame_bytes if index.jpeg is None else int(SHARE * index.frame_bytes)
