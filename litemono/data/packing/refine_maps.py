"""litemono prepare maps: frozen depth and object masks, packed beside the frames of a pack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from litemono.data.datasets import registry
from litemono.data.fit import fit
from litemono.data.mirrored import FROZEN, MASK, Kind, MirroredMaps, as_depth, check_binary
from litemono.data.packing.appending import append
from litemono.data.packing.output_folder import locked
from litemono.data.packing.split import has_bytes
from litemono.data.splits import SplitLine
from litemono.data.stores import packed_index
from litemono.data.stores.arrays import check_size
from litemono.data.stores.drive_maps import TYPES, Pictures, pictures_file
from litemono.data.stores.images import check_same_factor
from litemono.data.stores.packed import PackedStore
from litemono.data.stores.packed_index import PackIndex
from litemono.utils.errors import UserError, require
from litemono.utils.progress import progress_bar


@dataclass(frozen=True)
class MapsConfig:
    """Pack the depth that another network gave the images, and object masks, beside the frames of a pack, for litemono refine.

    python -m litemono.prepare maps --data_path kitti_640x192 --frozen_depth frozen

    Numbers and sizes stay as they are in the files. Kill it any time: the same command continues.
    """

    data_path: Path
    """Folder of the pack, as `prepare pack` made it."""
    frozen_depth: Path | None = None
    """Folder that has the depth of each image; it mirrors the images that were packed. See litemono refine --help."""
    object_masks: Path | None = None
    """Folder that has the object mask of each image; it mirrors them too."""


def pack_maps(config: MapsConfig) -> None:
    """Add what is not packed yet; UserError for absent maps and for those that do not fit their images."""
    root = config.data_path
    folders = {FROZEN: config.frozen_depth, MASK: config.object_masks}
    require(any(folders.values()), "nothing to pack: give --frozen_depth, --object_masks or both")
    for kind, folder in folders.items():
        require(folder is None or folder.is_dir(), f"--{kind.flag} {folder}: no such folder")
    require(
        packed_index.is_pack(root), f"--data_path {root}: is no pack; make one: python -m litemono.prepare pack --help"
    )
    with locked(root, "pack"):
        for kind, folder in folders.items():
            if folder is not None:
                print(f"{root}: {pack_kind(root, kind, folder)} {kind.what}s packed")


def pack_kind(root: Path, kind: Kind, folder: Path) -> int:
    """The maps of one kind; the index is written after each camera. Returns how many there are then."""
    index = packed_index.read_index(root)
    _forget_incomplete(root, index, kind)
    store = PackedStore(registry.packable(index.dataset), root)
    maps = MirroredMaps(kind, store, folder)
    cameras = [(name, side, camera) for name, drive in index.drives.items() for side, camera in drive.cameras.items()]
    lines = [SplitLine(name, frame, side) for name, side, camera in cameras for frame in camera.frames]
    require(lines, f"--data_path {root}: the pack has no frames that maps could belong to")
    maps.check(lines, f"--{kind.flag} {folder}")
    with progress_bar(len(lines), f"{kind.what}s", console=Console()) as tick:
        for name, side, camera in cameras:
            path = pictures_file(root, store.dataset, kind.name, name, side)
            there = camera.pictures.get(kind.name)
            done = set() if there is None else set(there.frames)
            frames = [frame for frame in camera.frames if frame not in done]
            if frames:
                chosen = [SplitLine(name, frame, side) for frame in frames]
                camera.pictures[kind.name] = add_maps(path, there, maps, chosen, index.fit, tick)
                packed_index.write_index(root, index)
    return sum(len(camera.pictures[kind.name].frames) for _, _, camera in cameras)


def _forget_incomplete(root: Path, index: PackIndex, kind: Kind) -> None:
    """Take the maps out of the index whose file was deleted or cut short since."""
    dataset, forgotten = registry.packable(index.dataset), False
    for folder, drive in index.drives.items():
        for side, camera in drive.cameras.items():
            there = camera.pictures.get(kind.name)
            path = pictures_file(root, dataset, kind.name, folder, side)
            if there is not None and not has_bytes(path, len(there.frames) * there.picture_bytes):
                del camera.pictures[kind.name]
                forgotten = True
    if forgotten:
        packed_index.write_index(root, index)


def add_maps(
    path: Path,
    pictures: Pictures | None,
    maps: MirroredMaps,
    lines: list[SplitLine],
    how: str,
    tick: Callable[[], None],
) -> Pictures:
    """Write the maps of these frames behind those that the index has, and make sure of the disk's copy."""
    start = 0 if pictures is None else len(pictures.frames) * pictures.picture_bytes

    def contents() -> Iterator[bytes]:
        nonlocal pictures
        for line in lines:
            values = fitted(maps, line, how)
            if pictures is None:
                pictures = Pictures(
                    8 * values.dtype.itemsize, (values.shape[0], values.shape[1]), factor=maps.factor(line)
                )
            if values.dtype != TYPES[pictures.bits] or values.shape != pictures.size:
                here = f"{8 * values.dtype.itemsize} bits and {values.shape[1]}x{values.shape[0]} pixels"
                others = f"{pictures.bits} bits and {pictures.size[1]}x{pictures.size[0]}"
                raise UserError(
                    f"{maps.place(line)}: {here}, others of this camera have {others}; give all of one kind"
                )
            check_same_factor(maps.factor(line), pictures.factor, maps.place(line))
            pictures.frames.append(line.frame)
            yield values.tobytes()
            tick()

    crcs = append(path, start, contents())
    assert pictures is not None, "lines has at least one frame"
    pictures.crc32 += crcs
    return pictures


def fitted(maps: MirroredMaps, line: SplitLine, how: str) -> np.ndarray:
    """(h, w) little-endian numbers of a map, cut as the frames of the pack are."""
    values, native = maps.read(line), maps.store.native_size(*line)
    check_size(values, native, maps.place(line), maps.kind.what)
    if maps.kind is MASK:
        values = check_binary(values, maps.place(line)).astype(TYPES[8])
    else:
        as_depth(values, 1.0, maps.place(line))  # refuses what is not finite
        values = values.astype(TYPES[32 if values.dtype.kind == "f" else 8 if values.itemsize == 1 else 16])
    return np.ascontiguousarray(fit("kb_crop", native, (0, 0)).depth(values) if how == "kb_crop" else values)
