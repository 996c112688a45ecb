"""The index of a pack of single pictures: pictures.json, which names every folder, picture and map in it, with checksums."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from litemono.data.stores import index_file
from litemono.data.stores.index_file import are_counts, damage_explained

INDEX_FILE = "pictures.json"
FORMAT = "litemono packed pictures 1"
TYPES = {"u1": 1, "<u2": 2, "<f4": 4}
"""numpy's names of what maps may hold, and bytes of a number."""


@dataclass
class Maps:
    """Depth or masks of one folder, in the order of their file; a map has its picture's original size."""

    frames: list[int] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    crc32: list[int] = field(default_factory=list)
    factor: str | None = None
    """Number for one metre, where the files of `litemono predict` say it."""


@dataclass
class Folder:
    """Pictures of one folder, in the order of its file."""

    frames: list[int] = field(default_factory=list)
    stems: list[str] = field(default_factory=list)
    """Places of the original pictures below their root, without suffixes."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """(height, width) of the original pictures."""
    crc32: list[int] = field(default_factory=list)
    maps: dict[str, Maps] = field(default_factory=dict)
    """By kind, "depth" or "mask"."""


@dataclass
class PictureIndex:
    """The index file."""

    dataset: str
    """Its name."""
    height: int
    width: int
    folders: dict[str, Folder] = field(default_factory=dict)

    @property
    def picture_bytes(self) -> int:
        return 3 * self.height * self.width

    def frames(self) -> list[tuple[str, int]]:
        """(folder, frame) of each picture in the pack's order."""
        return [(folder, frame) for folder, entry in self.folders.items() for frame in entry.frames]


def is_picture_pack(root: Path | str) -> bool:
    return (Path(root) / INDEX_FILE).is_file()


def images_file(root: Path, folder: str) -> Path:
    return Path(root) / folder / "images.bin"


def maps_file(root: Path, folder: str, kind: str) -> Path:
    return Path(root) / folder / f"{kind}.bin"


def map_places(entry: Folder, maps: Maps) -> dict[int, tuple[int, int]]:
    """First byte and number of bytes of each frame's map."""
    sizes, places, start = dict(zip(entry.frames, entry.sizes, strict=True)), {}, 0
    for frame, kind in zip(maps.frames, maps.types, strict=True):
        height, width = sizes[frame]
        places[frame] = start, height * width * TYPES[kind]
        start += places[frame][1]
    return places


def read_index(root: Path | str) -> PictureIndex:
    """Raises UserError where it is damaged."""
    path = Path(root) / INDEX_FILE
    again = "delete it and pack into this folder again: python -m litemono.prepare pack --from FOLDER --output DIR"
    with damage_explained(f"{path}: not an index of packed pictures", again):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        folders = {name: _folder(name, entry) for name, entry in content.pop("folders").items()}
        index = PictureIndex(folders=folders, **content)
        if not (isinstance(index.dataset, str) and are_counts([index.height, index.width], least=1)):
            raise ValueError("its size or data set is not one")
        return index


def _folder(name: str, entry: dict) -> Folder:
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise ValueError(f"a folder {name!r}")
    folder = Folder(**{**entry, "maps": {kind: Maps(**maps) for kind, maps in entry["maps"].items()}})
    folder.sizes = [(height, width) for height, width in folder.sizes]
    lists: list[Sequence[object]] = [folder.frames, folder.crc32, *folder.sizes]
    if not len(folder.frames) == len(folder.stems) == len(folder.sizes) == len(folder.crc32):
        raise ValueError("pictures, names, sizes and checksums differ in number")
    if not all(isinstance(stem, str) for stem in folder.stems):
        raise ValueError("a name that is none")
    for maps in folder.maps.values():
        lists += [maps.frames, maps.crc32]
        if not len(maps.frames) == len(maps.types) == len(maps.crc32) or not set(maps.types) <= TYPES.keys():
            raise ValueError("maps, types and checksums differ in number, or a type is none")
        if not set(maps.frames) <= set(folder.frames):
            raise ValueError("a map without its picture")
    if not all(are_counts(numbers) for numbers in lists):
        raise ValueError("its frames, sizes or checksums are not lists of numbers")
    return folder


def write_index(root: Path, index: PictureIndex) -> None:
    """Replace the index at once; everything it names must be on the disk already."""
    index_file.write(root / INDEX_FILE, FORMAT, index)
