"""Packing a camera's depth and masks beside its frames (stores/drive_maps.py); picture_pack.py packs single pictures."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from litemono.data.datasets.base import PackableDataset
from litemono.data.fit import fit
from litemono.data.packing.appending import append
from litemono.data.packing.map_files import read_map
from litemono.data.packing.sources import Member, Source
from litemono.data.stores.drive_maps import TYPES, Pictures, pictures_file
from litemono.data.stores.packed_index import Camera, PackIndex


def add_pictures(
    root: Path,
    index: PackIndex,
    dataset: PackableDataset,
    folder: str,
    side: str,
    camera: Camera,
    frames: Sequence[int],
    sources: Sequence[Source],
    tick: Callable[[], None],
) -> Camera:
    """The camera with the pictures of these frames behind those it has. `tick` is called for each frame.

    Frames without a picture are noted, if the sources have pictures of this camera at all. UserError for a picture of another
    size or number of bits.
    """
    camera = copy.deepcopy(camera)
    for kind in dataset.packed_pictures:
        found = {frame: find_picture(dataset, sources, kind, folder, frame, side) for frame in frames}
        members = {frame: member for frame, member in found.items() if member is not None}
        there = camera.pictures.get(kind)
        if members:
            path = pictures_file(root, dataset, kind, folder, side)
            there = camera.pictures[kind] = _append(path, index, dataset, kind, camera, members, tick)
        if there is not None:
            there.absent = sorted({*there.absent, *found} - {*there.frames})
        for _ in range(len(found) - len(members)):
            tick()
    return camera


def find_picture(
    dataset: PackableDataset, sources: Sequence[Source], kind: str, folder: str, frame: int, side: str
) -> Member | None:
    """The picture of a kind ("depth" or "mask") of a frame, in the first source that has it."""
    names = dataset.picture_names(kind, folder, frame, side)
    return next(filter(None, (source.find(name) for source in sources for name in names)), None)


def _append(
    path: Path,
    index: PackIndex,
    dataset: PackableDataset,
    kind: str,
    camera: Camera,
    members: dict[int, Member],
    tick: Callable[[], None],
) -> Pictures:
    """Add the pictures behind those that the index has, and make sure of the disk's copy."""
    pictures = camera.pictures.get(kind)
    if pictures is None:
        height, width = camera.native_size
        size = fit("kb_crop", (height, width), (0, 0)).size if index.fit == "kb_crop" else (height, width)
        pictures = Pictures(dataset.pictures[kind].bits, size)

    def contents() -> Iterator[bytes]:
        for frame, member in sorted(members.items(), key=lambda item: (item[1].order, item[0])):
            values = read_map(member, kind, dataset.pictures[kind], camera.native_size).values
            if index.fit == "kb_crop":
                values = fit("kb_crop", camera.native_size, (0, 0)).depth(values)
            pictures.frames.append(frame)
            yield values.astype(TYPES[pictures.bits]).tobytes()
            tick()

    pictures.crc32 += append(path, len(pictures.frames) * pictures.picture_bytes, contents())
    return pictures


def cut_pictures(
    root: Path, index: PackIndex, dataset: PackableDataset, folder: str, side: str, camera: Camera | None
) -> None:
    """A camera's picture files cut back to what the index records of them."""
    for kind in dataset.packed_pictures:
        path = pictures_file(root, dataset, kind, folder, side)
        if camera is not None and kind in camera.pictures:
            os.truncate(path, len(camera.pictures[kind].frames) * camera.pictures[kind].picture_bytes)
        else:
            path.unlink(missing_ok=True)
