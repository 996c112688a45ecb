"""Packing one drive: its frames resized into flat files, its scans thinned into one zip.

Nothing written here counts before the index names it (packed_index.write_index), so a run may die at any point: what lies
behind the end that the index records is cut off when the drive is packed again.
"""

from __future__ import annotations

import copy
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from litemono.data.datasets.scans import Scans
from litemono.data.fit import fit
from litemono.data.packing.appending import OTHER_BYTES, append
from litemono.data.packing.drive_maps import add_pictures, cut_pictures
from litemono.data.packing.requirements import FrameKey
from litemono.data.packing.sources import Member, Origin, Source, find_frame, find_scan
from litemono.data.stores import packed_jpeg
from litemono.data.stores.images import decode_image
from litemono.data.stores.packed import zip_is_whole
from litemono.data.stores.packed_index import Camera, Drive, PackIndex, frames_file
from litemono.utils.atomic_files import replacing
from litemono.utils.errors import UserError

Tick = Callable[[], None]


@dataclass(frozen=True)
class Job:
    """One drive's work."""

    origin: Origin
    root: Path
    index: PackIndex  # its size and data set
    folder: str
    done: Drive  # what the index has of the drive
    frames: tuple[FrameKey, ...]  # still to be packed
    scans: tuple[int, ...]
    pictures: tuple[FrameKey, ...]  # frames whose depth or mask is to be packed
    skip_missing: bool


class Result:
    """A packed drive, and how many of its frames no archive has."""

    def __init__(self, drive: Drive, absent: int) -> None:
        self.drive, self.absent = drive, absent


def pack_drive(job: Job, tick: Tick) -> Result:
    """Write a drive's missing frames and scans; `tick` is called after each.  What fails leaves nothing behind."""
    sources = job.origin.open_drive(job.folder)
    cameras = dict(job.done.cameras)
    try:
        members = _find_members(job, sources)
        for side in sorted({side for side, _ in members}):
            of_side = {frame: member for (s, frame), member in members.items() if s == side}
            cameras[side] = _append_frames(job, side, of_side, tick)
        cameras = _add_pictures(job, cameras, tick)
        scans, no_scans = _add_scans(job, sources, tick)
        return Result(Drive(cameras, scans, no_scans), len(job.frames) - len(members))
    except BaseException:
        for side in job.origin.dataset.sides:
            _cut(job, side)
            camera = job.done.cameras.get(side)
            cut_pictures(job.root, job.index, job.origin.dataset, job.folder, side, camera)
        raise
    finally:
        for source in sources:
            source.close()


def _find_members(job: Job, sources: list[Source]) -> dict[FrameKey, Member]:
    found = {key: find_frame(job.origin.dataset, sources, job.folder, *key) for key in job.frames}
    absent = sorted(key for key, member in found.items() if member is None)
    if absent and not job.skip_missing:
        first = ", ".join(f"{frame} {side}" for side, frame in absent[:3])
        places = " and ".join(str(source.path) for source in sources)
        raise UserError(
            f"{job.folder}: {places} lack {len(absent)} of {len(found)} frames (first: {first}); complete them, or leave "
            "them out: --skip_missing"
        )
    return {key: member for key, member in found.items() if member is not None}


# ---------------------------------------------------------------- frames


def _append_frames(job: Job, side: str, members: dict[int, Member], tick: Tick) -> Camera:
    """Add frames to a camera's file behind those the index has, make sure of the disk's copy, and list them."""
    path = frames_file(job.root, job.origin.dataset, job.folder, side)
    camera = copy.deepcopy(job.done.cameras.get(side))
    start = job.index.file_bytes(camera)
    path.parent.mkdir(parents=True, exist_ok=True)

    def contents() -> Iterator[bytes]:
        nonlocal camera
        for frame, member in sorted(members.items(), key=lambda item: (item[1].order, item[0])):
            content, size = _read_image(member, job.index)
            if camera is None:
                camera = Camera(size)
            elif size != camera.native_size:
                raise UserError(
                    f"{member.where}: {size[1]}x{size[0]} pixels, but other frames of this camera have "
                    f"{camera.native_size[1]}x{camera.native_size[0]}; a drive has one camera"
                )
            camera.frames.append(frame)
            camera.jpeg_bytes += [] if job.index.jpeg is None else [len(content)]
            yield content
            tick()

    crcs = append(path, start, contents())
    assert camera is not None, "members has at least one frame"
    camera.crc32 += crcs
    return camera


def _read_image(member: Member, index: PackIndex) -> tuple[bytes, tuple[int, int]]:
    """The resized frame as the pack stores it, and the original (height, width)."""
    image = decode_image(member.read(), member.where, member.source.remedy, turned_by_exif=False)
    size = image.height, image.width
    pixels = fit(index.fit, size, (index.height, index.width)).image(image)
    if index.jpeg is not None:
        return packed_jpeg.encode(pixels, index.jpeg), size
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes(), size


def _cut(job: Job, side: str) -> None:
    """A camera's file cut back to what the index records of it."""
    path = frames_file(job.root, job.origin.dataset, job.folder, side)
    if side in job.done.cameras:
        os.truncate(path, job.index.file_bytes(job.done.cameras[side]))
    else:
        path.unlink(missing_ok=True)


def _add_pictures(job: Job, cameras: dict[str, Camera], tick: Tick) -> dict[str, Camera]:
    """The cameras with the depth and masks of their frames that are packed afterwards."""
    sources = job.origin.open_pictures() if job.pictures else []
    try:
        for side, camera in cameras.items():
            frames = sorted({frame for s, frame in job.pictures if s == side} & set(camera.frames))
            if frames:
                cameras = cameras | {
                    side: add_pictures(
                        job.root, job.index, job.origin.dataset, job.folder, side, camera, frames, sources, tick
                    )
                }
        return cameras
    finally:
        for source in sources:
            source.close()


# ---------------------------------------------------------------- scans


def _add_scans(job: Job, sources: list[Source], tick: Tick) -> tuple[list[int], list[int]]:
    """The scans that are packed afterwards, and those that no source has.  KITTI itself lacks a few."""
    kind = job.origin.dataset.scans
    if kind is None:
        return [], []
    found = {frame: find_scan(kind, sources, job.folder, frame) for frame in job.scans}
    there = {frame: member for frame, member in found.items() if member is not None}
    absent = set(job.done.no_scans) | (set(found) - set(there))
    if there:
        _write_scans(job, kind, there, tick)
    return sorted({*job.done.scans, *there}), sorted(absent - set(there))


def _write_scans(job: Job, kind: Scans, members: dict[int, Member], tick: Tick) -> None:
    """A new zip with the packed scans and more, each thinned to what depth maps need; it replaces the old one at once."""
    path = kind.pack_path(job.root, job.folder)
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        if job.done.scans:
            with zipfile.ZipFile(path) as old:
                for name in map(kind.member, job.done.scans):
                    target.writestr(_entry(name), old.read(name))
        for frame, member in sorted(members.items(), key=lambda item: (item[1].order, item[0])):
            content = kind.thinned(job.root, job.folder, member.read(), member.where)
            target.writestr(_entry(kind.member(frame)), content)
            tick()
    if not zip_is_whole(path):
        raise UserError(f"{path}: {OTHER_BYTES}")


def _entry(name: str) -> zipfile.ZipInfo:
    """A member without the time of day, so that packing twice gives the same file."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


# ---------------------------------------------------------------- calibration


def copy_calibration(origin: Origin, root: Path, folder: str) -> None:
    """Copy a drive's calibration texts (and what comes with them) as they are; UserError if there are none."""
    dataset = origin.dataset
    needed, extra = dataset.calibration_files(folder)
    names = [*needed, *extra]
    absent = [name for name in names if not (root / name).is_file()]
    if not absent and dataset.calibration_problem(root, folder, "l"):
        absent = names  # of a source that may have been mended since
    if not absent:
        return
    sources = origin.open_calibration(folder)
    found = [next(filter(None, (source.find(name) for source in sources)), None) for name in absent]
    for name, member in zip(absent, found, strict=True):
        if member is not None:
            with replacing(root / name) as file:
                file.write(member.read())
    for source in sources:
        source.close()
    lacking = [name for name in needed if not (root / name).is_file()]
    if lacking:
        files = " and no ".join(name.rpartition("/")[2] for name in lacking)
        directory, archive = lacking[0].rpartition("/")[0], dataset.calibration_archives(folder)[0]
        raise UserError(f"no {files} for {directory}: put {archive} beside the drives")
