"""Packing single pictures with their depth and masks, folder by folder (stores/picture_pack.py).

A folder's files appear whole, and count when the index names them: a killed run continues with the folders that are not in it.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from litemono.data.datasets.base import Size
from litemono.data.datasets.pictures import PictureDataset, PictureKey
from litemono.data.packing.map_files import StoredMap, read_map
from litemono.data.packing.sources import FolderSource, Member, Source, ZipSource
from litemono.data.splits import split_file
from litemono.data.stores import picture_index
from litemono.data.stores.folder import resized
from litemono.data.stores.images import check_same_factor, decode_image
from litemono.data.stores.picture_index import Folder, Maps, PictureIndex, images_file, maps_file
from litemono.utils.atomic_files import remove_leftovers, replacing
from litemono.utils.errors import UserError
from litemono.utils.parallel import ordered_map

ZIP_REMEDY = "fetch or write this zip again"
LISTS = ("train", "val", "test")


class Files(NamedTuple):
    """One picture's files by kind: "image", "depth", "mask"."""

    frame: int
    members: dict[str, Member]


@dataclass
class Summary:
    pictures: int = 0
    depth: int = 0
    masks: int = 0


def pack_pictures(
    root: Path,
    dataset: PictureDataset,
    place: Path,
    split: str | None,
    size: Size,
    workers: int,
    skip_missing: bool,
    tick: Callable[[int], Callable[[], None]],
) -> Summary:
    """Add to the pack at `root` what it lacks of the pictures in `place`, a folder or zips.

    split: only those of its lists. tick(count) is called once, and what it returns for each picture.
    Raises UserError for pictures and maps that are missing, damaged, or do not fit each other.
    """
    index = _open_index(root, dataset, size)
    sources = _open_sources(dataset, place)
    with ExitStack() as stack:
        for source in sources:
            stack.callback(source.close)
        wanted = _wanted(dataset, sources, place, split, skip_missing)
        folders = (*index.folders, *wanted)
        remove_leftovers(root, below={root / part for folder in folders for part in Path(folder).parts[:1]})
        to_do = {folder: files for folder, files in wanted.items() if not _is_packed(index, folder, files)}
        _check_room(root, to_do, index)
        done = tick(sum(map(len, to_do.values())))
        for folder, files in to_do.items():
            index.folders[folder] = _pack_folder(root, dataset, folder, files, index, workers, done)
            picture_index.write_index(root, index)
    entries = [index.folders[folder] for folder in wanted]
    counts = [
        sum(len(entry.maps[kind].frames) for entry in entries if kind in entry.maps) for kind in ("depth", "mask")
    ]
    return Summary(sum(len(entry.frames) for entry in entries), *counts)


def _open_index(root: Path, dataset: PictureDataset, size: Size) -> PictureIndex:
    """That of an earlier run, without folders whose files are shorter than it says; or a new one."""
    if not picture_index.is_picture_pack(root):
        return PictureIndex(dataset.name, *size)
    index = picture_index.read_index(root)
    if (index.dataset, index.height, index.width) != (dataset.name, *size):
        raise UserError(
            f"--output {root}: holds pictures of --dataset {index.dataset} at --size {index.width}x{index.height}, not "
            f"{dataset.name} at {size[1]}x{size[0]}; choose another --output"
        )
    index.folders = {name: entry for name, entry in index.folders.items() if _is_whole(root, name, entry, index)}
    return index


def _is_whole(root: Path, folder: str, entry: Folder, index: PictureIndex) -> bool:
    needed = {images_file(root, folder): len(entry.frames) * index.picture_bytes}
    for kind, maps in entry.maps.items():
        places = picture_index.map_places(entry, maps)
        needed[maps_file(root, folder, kind)] = sum(length for _, length in places.values())
    return all(path.is_file() and path.stat().st_size == length for path, length in needed.items())


def _open_sources(dataset: PictureDataset, place: Path) -> list[Source]:
    """A zip, or the zips in a folder and the folder itself."""
    if place.is_file():
        return [ZipSource(place, dataset.top, ZIP_REMEDY)]
    if not place.is_dir():
        raise UserError(f"--from {place}: there is no such folder or zip")
    return [*(ZipSource(path, dataset.top, ZIP_REMEDY) for path in sorted(place.glob("*.zip"))), FolderSource(place)]


def _wanted(
    dataset: PictureDataset, sources: Sequence[Source], place: Path, split: str | None, skip_missing: bool
) -> dict[str, list[Files]]:
    """Pictures by folder, in the order of the data set."""
    names = list(dict.fromkeys(name for source in sources for name in source.members))
    found = dataset.arrange(names, f"--from {place}:")
    keys = list(found) if split is None else _listed(dataset, place, split)
    absent = [key for key in keys if key not in found]
    if absent and (not skip_missing or len(absent) == len(keys)):
        raise UserError(
            f"--from {place}: {len(absent)} of {len(keys)} pictures of --split {split} are not there (first: frame "
            f"{absent[0][1]} of {absent[0][0]}); add them, or pack the others: --skip_missing"
        )
    wanted: dict[str, list[Files]] = {}
    for folder, frame in keys:
        if (folder, frame) in found:
            files = found[folder, frame]
            members = {kind: _member(sources, name) for kind, name in files.items()}
            wanted.setdefault(folder, []).append(Files(frame, members))
    if not any("depth" in files.members for folder in wanted.values() for files in folder):
        archive = dataset.pictures["depth"].archive
        raise UserError(
            f"--from {place}: none of {len(keys)} pictures has depth; put {archive} there, as a zip or extracted"
        )
    return wanted


def _listed(dataset: PictureDataset, place: Path, split: str) -> list[PictureKey]:
    found: dict[PictureKey, None] = {}
    for which in LISTS:
        try:
            split_file(split, which)
        except UserError:
            if which == "train":
                raise
            continue
        found.update(((line.folder, line.frame), None) for line in dataset.lines(place, split, which, (0,))[0])
    return list(found)


def _member(sources: Sequence[Source], name: str) -> Member:
    return next(member for member in (source.find(name) for source in sources) if member is not None)


def _is_packed(index: PictureIndex, folder: str, files: list[Files]) -> bool:
    """Whether the pack has all of these, and no more: a folder is packed in one piece."""
    entry = index.folders.get(folder)
    if entry is None or entry.frames != [one.frame for one in files]:
        return False
    kinds = {kind for one in files for kind in one.members} - {"image"}
    return all(
        (entry.maps[kind].frames if kind in entry.maps else []) == [one.frame for one in files if kind in one.members]
        for kind in kinds | entry.maps.keys()
    )


def _check_room(root: Path, to_do: dict[str, list[Files]], index: PictureIndex) -> None:
    """Of the resized pictures; maps are as large as their pictures, which are not open yet."""
    count = sum(map(len, to_do.values()))
    need, free = count * index.picture_bytes, shutil.disk_usage(root).free
    if need > free:
        raise UserError(f"--output {root}: more than {need / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")


# ---------------------------------------------------------------- one folder


class Loaded(NamedTuple):
    """One picture, ready to be written."""

    frame: int
    stem: str
    """Place of its image below the root, without suffix."""
    size: Size
    """Of the original."""
    pixels: bytes
    maps: dict[str, StoredMap]


def _pack_folder(
    root: Path,
    dataset: PictureDataset,
    folder: str,
    files: list[Files],
    index: PictureIndex,
    workers: int,
    tick: Callable[[], None],
) -> Folder:
    """Write a folder's files, which replace those that are there at once."""
    entry, kinds = Folder(), sorted({kind for one in files for kind in one.members} - {"image"})
    entry.maps = {kind: Maps() for kind in kinds}
    images_file(root, folder).parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack, ThreadPoolExecutor(workers) as threads:
        images = stack.enter_context(replacing(images_file(root, folder)))
        of_kind = {kind: stack.enter_context(replacing(maps_file(root, folder, kind))) for kind in kinds}
        for loaded in _load_all(dataset, files, index, threads, workers):
            images.write(loaded.pixels)
            entry.frames.append(loaded.frame)
            entry.stems.append(loaded.stem)
            entry.sizes.append(loaded.size)
            entry.crc32.append(zlib.crc32(loaded.pixels))
            for kind, (values, factor) in loaded.maps.items():
                content, maps = values.tobytes(), entry.maps[kind]
                if maps.frames:
                    check_same_factor(factor, maps.factor, loaded.stem)
                maps.factor = factor
                of_kind[kind].write(content)
                maps.frames.append(loaded.frame)
                maps.types.append(values.dtype.str.lstrip("|"))
                maps.crc32.append(zlib.crc32(content))
            tick()
    return entry


def _load_all(
    dataset: PictureDataset, files: list[Files], index: PictureIndex, threads: ThreadPoolExecutor, workers: int
) -> Iterator[Loaded]:
    def load(one: Files) -> Loaded:
        return _load(dataset, one, (index.height, index.width))

    yield from ordered_map(threads, load, files, ahead=2 * workers)


def _load(dataset: PictureDataset, files: Files, size: Size) -> Loaded:
    member = files.members["image"]
    image = decode_image(member.read(), member.where, member.source.remedy, dataset.turned_by_exif)
    native, pixels = (image.height, image.width), resized(image, *size)
    maps = {
        kind: read_map(other, kind, dataset.pictures[kind], native)
        for kind, other in files.members.items()
        if kind != "image"
    }
    stem = os.path.splitext(member.name)[0]
    return Loaded(files.frame, stem, native, np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes(), maps)
