"""Packing a split: which drives are to do, and the index that grows as they finish."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from litemono.data.datasets.base import PackableDataset
from litemono.data.packing.before_packing import check_room, count_pictures, jobs_with_archive, require_depth
from litemono.data.packing.drive import Job, copy_calibration
from litemono.data.packing.output_folder import taken_back
from litemono.data.packing.processes import run_jobs
from litemono.data.packing.requirements import FrameKey, Wanted
from litemono.data.packing.sources import Origin
from litemono.data.stores import packed, packed_index
from litemono.data.stores.drive_maps import pictures_file
from litemono.data.stores.packed_index import Drive, PackedFit, PackIndex
from litemono.utils.atomic_files import remove_leftovers
from litemono.utils.errors import UserError, require
from litemono.utils.progress import progress_bar


@dataclass(frozen=True)
class Options:
    skip_missing: bool
    delete_zips: bool
    num_workers: int


class Summary(NamedTuple):
    """What is in the pack when the command ends."""

    wanted: int  # frames
    packed: int
    scans: int
    pictures: int  # frames whose depth is packed
    wanted_pictures: int


def pack_split(
    root: Path, index: PackIndex, origin: Origin, wanted: dict[str, Wanted], options: Options, console: Console
) -> Summary:
    """Add to the pack at `root` what it lacks of `wanted`; the index is written after each drive.

    UserError where a drive fails; others are packed all the same. Where nothing is packed at all, nothing is left in `root`.
    """
    remove_leftovers(root, below={root / part for drive in (*index.drives, *wanted) for part in Path(drive).parts[:1]})
    if options.delete_zips:
        _forget_damaged(root, index, origin.dataset, wanted, console)
    jobs = make_jobs(index, root, origin, wanted, options.skip_missing)
    finished_before = wanted.keys() - {job.folder for job in jobs}
    jobs = jobs_with_archive(jobs, options.skip_missing, console)
    require(jobs or has_frames(index), f"--from {origin.root}: has nothing of the split; is it the right folder?")
    require_depth(index, origin, wanted, jobs)
    with taken_back(root, _files_to_come(root, origin.dataset, jobs), lambda: has_frames(index)):
        jobs = _with_calibration(jobs, options.skip_missing, console)
        check_room(root, jobs)
        if index.drives:  # less what was damaged since
            packed_index.write_index(root, index)
        if options.delete_zips:
            _delete_zips(origin, finished_before, {job.folder for job in jobs})
        _pack_drives(root, index, origin, wanted, jobs, options, console)
    frames = sum(len(need.frames) for need in wanted.values())
    lacking = make_jobs(index, root, origin, wanted, options.skip_missing)
    scans = sum(
        len(need.scans & set(index.drives[folder].scans)) for folder, need in wanted.items() if folder in index.drives
    )
    pictures = count_pictures(index, wanted)
    return Summary(frames, frames - sum(len(job.frames) for job in lacking), scans, *pictures)


def _pack_drives(
    root: Path,
    index: PackIndex,
    origin: Origin,
    wanted: dict[str, Wanted],
    jobs: list[Job],
    options: Options,
    console: Console,
) -> None:
    """Do the jobs; UserError at the end where any failed, or none had a frame."""
    pending, problems = {job.folder for job in jobs}, []
    with progress_bar(
        sum(len(job.frames) + len(job.scans) + len(job.pictures) for job in jobs),
        "frames, scans and depth maps",
        console=console,
    ) as tick:
        for job, outcome, _ in run_jobs(jobs, options.num_workers, tick):
            if isinstance(outcome, str):
                problems.append(outcome)
                continue
            index.drives[job.folder] = outcome.drive
            packed_index.write_index(root, index)
            pending.discard(job.folder)
            console.print(f"{job.folder}: {len(job.frames) - outcome.absent} frames", highlight=False)
            if options.delete_zips:
                own = {job.folder: wanted[job.folder]}
                if not make_jobs(index, root, origin, own, options.skip_missing):  # nothing was passed over
                    _delete_zips(origin, {job.folder}, pending)
    rest = "What is packed is whole" if has_frames(index) else "Nothing is packed"
    listed = "\n  ".join(problems)
    require(
        not problems,
        f"{len(problems)} of {len(wanted)} drives were not packed:\n  {listed}\n{rest}; mend this and run the same command "
        "again",
    )
    require(has_frames(index), f"--from {origin.root}: has no frame of the split; is it the right folder?")


def has_frames(index: PackIndex) -> bool:
    """Whether anything is packed."""
    return any(drive.cameras for drive in index.drives.values())


def _files_to_come(root: Path, dataset: PackableDataset, jobs: list[Job]) -> set[Path]:
    """The index, and what the jobs write: frames and calibration."""
    frames = {packed_index.frames_file(root, dataset, job.folder, side) for job in jobs for side in dataset.sides}
    texts = {root / name for job in jobs for names in dataset.calibration_files(job.folder) for name in names}
    return {root / packed_index.INDEX_FILE} | frames | texts


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) from "640x192", width first."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (32 <= width <= 4096 and 32 <= height <= 4096):
        raise UserError(f"--size {text}: must be WIDTHxHEIGHT, each from 32 to 4096, such as 640x192 or 1024x320")
    return height, width


def open_index(
    root: Path,
    dataset: PackableDataset,
    height: int,
    width: int,
    how: PackedFit = "stretch",
    jpeg: int | None = None,
) -> PackIndex:
    """The index of an earlier run, without drives whose files were damaged or deleted since; or a new one."""
    if not packed_index.is_pack(root):
        return PackIndex(dataset.name, height, width, fit=how, jpeg=jpeg)
    index = packed_index.read_index(root)
    if (index.dataset, index.height, index.width, index.fit) != (dataset.name, height, width, how):
        raise UserError(
            f"--output {root}: holds frames of --dataset {index.dataset} at --size {index.size} --fit {index.fit}, not "
            f"{dataset.name} at {width}x{height} {how}; choose another --output"
        )
    if index.jpeg != jpeg:
        kinds = [f"with --jpeg {quality}" if quality else "without --jpeg" for quality in (index.jpeg, jpeg)]
        raise UserError(f"--output {root}: was packed {kinds[0]}, not {kinds[1]}; choose another --output")
    scans = dataset.scans
    for folder, drive in index.drives.items():
        for side, camera in list(drive.cameras.items()):
            path = packed_index.frames_file(root, dataset, folder, side)
            if not has_bytes(path, index.file_bytes(camera)):
                del drive.cameras[side]
            for kind, pictures in list(camera.pictures.items()):
                path = pictures_file(root, dataset, kind, folder, side)
                if not has_bytes(path, len(pictures.frames) * pictures.picture_bytes):
                    del camera.pictures[kind]
        if scans is not None and drive.scans and not packed.zip_is_whole(scans.pack_path(root, folder)):
            drive.scans = []
    return index


def has_bytes(path: Path, size: int) -> bool:
    """Whether the file has the bytes that the index names; what is behind them is cut off."""
    there = path.stat().st_size if path.is_file() else -1
    if there > size:
        os.truncate(path, size)
    return there >= size


def make_jobs(index: PackIndex, root: Path, origin: Origin, wanted: dict[str, Wanted], skip_missing: bool) -> list[Job]:
    """What is still to do, the longest first."""
    jobs = []
    for folder, need in wanted.items():
        done = index.drives.get(folder, Drive())
        packed_frames = {(side, frame) for side, camera in done.cameras.items() for frame in camera.frames}
        frames = sorted(need.frames - packed_frames)
        scans = sorted(need.scans - set(done.scans) - set(done.no_scans))
        pictures = sorted(need.pictures - packed_pictures(done, origin.dataset.packed_pictures))
        if frames or scans or pictures:
            settings = replace(index, drives={})
            parts = tuple(frames), tuple(scans), tuple(pictures)
            jobs.append(Job(origin, root, settings, folder, done, *parts, skip_missing))
    return sorted(jobs, key=lambda job: (-len(job.frames), job.folder))


def packed_pictures(drive: Drive, kinds: Sequence[str]) -> set[FrameKey]:
    """Frames of which all these kinds of pictures are packed, or known to be absent."""
    return {
        (side, frame)
        for side, camera in drive.cameras.items()
        for frame in camera.frames
        if all(
            k in camera.pictures and frame in (*camera.pictures[k].frames, *camera.pictures[k].absent) for k in kinds
        )
    }


def _with_calibration(jobs: list[Job], skip_missing: bool, console: Console) -> list[Job]:
    """Copy the drives' calibration; without it, no scans."""
    result = []
    for job in jobs:
        try:
            copy_calibration(job.origin, job.root, job.folder)
        except UserError as error:
            if not skip_missing:
                raise UserError(
                    f"{error}; or go without ground truth and calibrated intrinsics: --skip_missing"
                ) from None
            console.print(f"warning: {error}; packed without scans", markup=False, highlight=False, soft_wrap=True)
            job = replace(job, scans=())
        if job.frames or job.scans or job.pictures:
            result.append(job)
    return result


def _forget_damaged(
    root: Path, index: PackIndex, dataset: PackableDataset, wanted: Iterable[str], console: Console
) -> None:
    """Read back what an earlier run packed, before its zips go; cameras with a damaged frame are packed again."""
    for folder in sorted(index.drives.keys() & set(wanted)):
        cameras = index.drives[folder].cameras
        for side, camera in list(cameras.items()):
            path = packed_index.frames_file(root, dataset, folder, side)
            if not packed.frames_are_whole(path, 0, camera.crc32, index.lengths(camera)):
                console.print(f"{path}: damaged since it was packed; packing it again", markup=False, soft_wrap=True)
                del cameras[side]
            for kind, pictures in list(camera.pictures.items()):
                path = pictures_file(root, dataset, kind, folder, side)
                if not packed.frames_are_whole(path, 0, pictures.crc32, pictures.lengths):
                    console.print(
                        f"{path}: damaged since it was packed; packing it again", markup=False, soft_wrap=True
                    )
                    del camera.pictures[kind]


def _delete_zips(origin: Origin, finished: set[str], pending: set[str]) -> None:
    """Delete the zips of finished drives, except those that other drives still need."""
    needed = {path for folder in pending for path in origin.zips(folder)}
    for path in {path for folder in finished for path in origin.zips(folder)} - needed:
        if isinstance(path, Path):  # there is nothing to delete behind an address
            path.unlink(missing_ok=True)
