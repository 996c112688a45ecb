"""Backgrounds, pictures, masks and depths (datasets/composites.py) as training reads them: from folders, zips, or a pack.

    pack/composites.json    size, samples, numbers of the backgrounds; written last
    pack/bg.npy             (backgrounds, 3, H, W) uint8
    pack/fgbg.npy           (samples, 3, H, W) uint8
    pack/mask.npy           (samples, H, W) uint8, 1 where the figure is
    pack/depth.npy          (samples, H, W) uint8
    pack/bg.crc32.npy ...   checksum of each row of these; `litemono prepare verify` compares them

The arrays are plain .npy files. Reading a sample of a pack copies four rows; nothing is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from litemono.data.datasets.base import Size
from litemono.data.datasets.composites import (
    BACKGROUNDS,
    DEPTHS,
    KINDS,
    MASKS,
    PICTURES,
    background_of,
    backgrounds,
    by_stem,
    samples,
)
from litemono.data.packing.sources import FolderSource, ZipSource
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import resized
from litemono.data.stores.images import decode_image
from litemono.data.stores.index_file import damage_explained
from litemono.utils.errors import UserError, require

INDEX, FORMAT = "composites.json", "litemono packed composites 2"
REMEDY = "replace it, or remove it with the files of the same name"
LOSSY = (".jpg", ".jpeg", ".webp")
BLACK, WHITE = 64, 192  # lossy files and smooth edges blur a mask's two values
BETWEEN = 0.05  # largest share of pixels between BLACK and WHITE
SHOWN = 6
CHECK_SIZE = (32, 32)  # height, width of pictures that are decoded only to check them
PACK_AGAIN = "remove the pack's folder and pack again: python -m litemono.prepare pack-composites"


class Composite(NamedTuple):
    """One sample, all uint8."""

    background: np.ndarray  # (3, H, W)
    picture: np.ndarray  # (3, H, W)
    mask: np.ndarray  # (H, W) 1 where the figure is
    depth: np.ndarray  # (H, W)


class CompositeStore(Protocol):
    """Samples of one size."""

    lines: list[SplitLine]
    stems: dict[SplitLine, str]
    """Names of the pictures, without extension."""
    size: Size
    has_truth: bool
    """Whether there are masks and depths."""

    def read(self, line: SplitLine) -> Composite:
        """Several threads call it at the same time. UserError for a damaged file. Mask and depth are 0 if not has_truth."""

    def original_size(self, line: SplitLine) -> Size:
        """(height, width) of the sample's picture; of a pack its own size, because it does not store the original one."""


def is_packed(root: Path) -> bool:
    return (root / INDEX).is_file()


def are_composites(root: Path) -> bool:
    """Whether a pack or the pictures for one are at `root`, by the names alone."""
    return is_packed(root) or (root / PICTURES).is_dir() or (root / f"{PICTURES}.zip").is_file()


def open_composites(root: Path, size: Size, truth: bool | None = True) -> CompositeStore:
    """The samples at `root`: a folder with the four folders or zips, one zip with all, or a pack, which must be of this size.

    truth: masks and depths must be there; None: they are read where both are. UserError for names that do not fit each other.
    """
    if is_packed(root):
        store = PackedComposites(root)
        (height, width), (rows, columns) = size, store.size
        require(
            (height, width) == (rows, columns),
            f"--data_path {root}: packed at {columns}x{rows}, not {width}x{height}; train with --height {rows} "
            f"--width {columns}, or pack again: python -m litemono.prepare pack-composites --from FOLDER --size {width}x{height} "
            "--output ANOTHER_FOLDER",
        )
        return store
    return CompositeFiles(root, size, truth)


def open_to_check(root: Path) -> PackedComposites | CompositeFiles:
    """The samples at `root`, to check them: those of a pack at its own size. UserError for names that do not fit each other."""
    return PackedComposites(root) if is_packed(root) else CompositeFiles(root, CHECK_SIZE, truth=True)


class Files(NamedTuple):
    """The images of one kind in a folder or zip."""

    source: FolderSource | ZipSource
    by_stem: dict[str, str]
    place: str
    """For messages."""

    @classmethod
    def of(cls, root: Path, kind: str) -> Files | None:
        """None where there is neither a folder of this name nor a zip."""
        if (root / kind).is_dir():
            source = FolderSource(root)
            names = [f"{kind}/{name}" for name in source.names(kind)]
            return cls(source, by_stem(names, str(root)), str(root / kind))
        path = root if root.is_file() else root / f"{kind}.zip"
        if not path.is_file():
            return None
        archive = ZipSource(path, "", f"copy {path.name} again")
        members = [name for name in archive.members if not name.startswith("__MACOSX/")]
        inside = [name for name in members if kind in name.split("/")[-2:-1]]
        found = inside or ([] if path == root else members)
        return cls(archive, by_stem(found, str(path)), str(path)) if found else None

    def image(self, stem: str) -> Image.Image:
        """8-bit RGB."""
        name = self.by_stem[stem]
        return decode_image(self.source.read(name), self.where(stem), REMEDY)

    def where(self, stem: str) -> str:
        return self.source.where(self.by_stem[stem])

    def lossy(self, stem: str) -> bool:
        return self.by_stem[stem].lower().endswith(LOSSY)


class CompositeFiles:
    """Image files, decoded and resized whenever they are read."""

    def __init__(self, root: Path, size: Size, truth: bool | None) -> None:
        require(root.exists(), f"{root}: there is no such folder or zip")
        self.root, self.size = root, size
        found = {kind: Files.of(root, kind) for kind in KINDS}
        self.has_truth = truth or (truth is None and None not in (found[MASKS], found[DEPTHS]))
        wanted = KINDS if self.has_truth else (BACKGROUNDS, PICTURES)
        absent = [kind for kind in wanted if found[kind] is None]
        require(
            not absent,
            f"{root}: has no folder {' or '.join(absent)} and no zip of that name; it needs {', '.join(wanted)}",
        )
        self.kinds = {kind: files for kind, files in found.items() if files is not None and kind in wanted}
        pictures, behind = self.kinds[PICTURES], self.kinds[BACKGROUNDS]
        self.stems = samples(pictures.by_stem, pictures.place)
        self.lines = [*self.stems]
        require(self.lines, f"{pictures.place}: has no pictures (fgNNN_bgNNN_NN.jpg or .png)")
        stem_of = {name: stem for stem, name in behind.by_stem.items()}
        self.backgrounds = {number: stem_of[name] for number, name in backgrounds(behind.by_stem, behind.place).items()}
        self._check_names()

    def _check_names(self) -> None:
        """UserError for a picture without background, and for names that one folder has and another has not."""
        pictures = self.kinds[PICTURES]
        for line, stem in self.stems.items():
            require(
                background_of(line) in self.backgrounds,
                f"{pictures.where(stem)}: there is no background {background_of(line)} in {self.kinds[BACKGROUNDS].place}; add "
                "its file, or remove the pictures in front of it",
            )
        for kind in self.kinds.keys() & {MASKS, DEPTHS}:
            other = self.kinds[kind]
            for here, there in ((pictures, other), (other, pictures)):
                alone = sorted(here.by_stem.keys() - there.by_stem.keys())
                require(
                    not alone,
                    f"{there.place}: has no file for {len(alone)} of {len(here.by_stem)} names in {here.place}, the first is "
                    f"{alone[0] if alone else ''}; each picture needs a mask and a depth of its name",
                )

    def read(self, line: SplitLine) -> Composite:
        stem = self.stems[line]
        behind = self.kinds[BACKGROUNDS]
        number = self.backgrounds[background_of(line)]
        background = behind.image(number)
        picture = self._like(background, behind.where(number), PICTURES, stem)
        if not self.has_truth:
            nothing = np.zeros(self.size, np.uint8)
            return Composite(self._planes(background), self._planes(picture), nothing, nothing)
        mask = self._like(background, behind.where(number), MASKS, stem).convert("L")
        depth = self._like(background, behind.where(number), DEPTHS, stem).convert("L")
        figure = binary(np.asarray(mask), self.kinds[MASKS].where(stem), self.kinds[MASKS].lossy(stem))
        size = self.size[::-1]
        figure = np.asarray(Image.fromarray(figure).resize(size, Image.Resampling.NEAREST))
        return Composite(
            self._planes(background),
            self._planes(picture),
            figure,
            np.asarray(depth.resize(size, Image.Resampling.BILINEAR)),
        )

    def original_size(self, line: SplitLine) -> Size:
        image = self.kinds[PICTURES].image(self.stems[line])
        return image.height, image.width

    def read_background(self, number: int) -> np.ndarray:
        """(3, H, W)."""
        return self._planes(self.kinds[BACKGROUNDS].image(self.backgrounds[number]))

    def _like(self, background: Image.Image, where: str, kind: str, stem: str) -> Image.Image:
        """A sample's image of this kind, which must have its background's size."""
        image = self.kinds[kind].image(stem)
        if image.size != background.size:
            (width, height), (columns, rows) = image.size, background.size
            raise UserError(
                f"{self.kinds[kind].where(stem)}: {width}x{height} pixels, its background {where} has {columns}x{rows}; a "
                "picture, its mask, its depth and its background are of one size"
            )
        return image

    def _planes(self, image: Image.Image) -> np.ndarray:
        return resized(image, *self.size).transpose(2, 0, 1)


def binary(values: np.ndarray, where: str, lossy: bool) -> np.ndarray:
    """(h, w) uint8, 1 where the figure is. UserError, with the values, for numbers that are not two.

    A lossless mask has 0 and one other value (or is all 0, 1 or 255); a lossy one blurs them at the edges.
    """
    counts = np.bincount(values.ravel(), minlength=256)
    there = np.flatnonzero(counts)
    if lossy:
        between = [value for value in there if BLACK <= value < WHITE]
        good = counts[between].sum() <= BETWEEN * values.size
        common = sorted(between, key=lambda value: -counts[value])
        figure = values >= (BLACK + WHITE) // 2
    else:
        good = len(there) == 2 and there[0] == 0 or len(there) == 1 and there[0] in (0, 1, 255)
        common, figure = [*there], values > 0
    if not good:
        shown = ", ".join(map(str, sorted(common[:SHOWN]))) + (", ..." if len(common) > SHOWN else "")
        share = counts[common].sum() / values.size
        many = (
            f"{share:.0%} of its pixels lie between black and white ({shown})" if lossy else f"its values are {shown}"
        )
        raise UserError(f"{where}: a mask has two values, such as 0 and 255, and {many}; save it as black and white")
    return figure.astype(np.uint8)


class PackedComposites:
    """A pack: four arrays, mapped into memory."""

    has_truth = True

    def __init__(self, root: Path) -> None:
        """UserError for an index or arrays that do not fit each other."""
        self.root = root
        with damage_explained(f"--data_path {root}: the pack is damaged", PACK_AGAIN):
            index = json.loads((root / INDEX).read_text(encoding="utf-8"))
            if index["format"] != FORMAT:
                raise ValueError(f"its format is {str(index['format'])[:100]}, not {FORMAT}")
            self.size: Size = (index["height"], index["width"])
            self.stems = samples(index["samples"], str(root / INDEX))
            self.lines = [*self.stems]
            self.rows = {line: row for row, line in enumerate(self.lines)}
            self.backgrounds = {number: row for row, number in enumerate(index["backgrounds"])}
            self.arrays = {kind: np.load(root / f"{kind}.npy", mmap_mode="r") for kind in KINDS}
            for kind, shape in array_shapes(len(self.backgrounds), len(self.lines), self.size).items():
                if self.arrays[kind].shape != shape or self.arrays[kind].dtype != np.uint8:
                    raise ValueError(f"{kind}.npy does not have the size that the index says")
            if not {background_of(line) for line in self.lines} <= self.backgrounds.keys():
                raise ValueError("it lacks backgrounds")

    def read(self, line: SplitLine) -> Composite:
        row = self.rows[line]
        behind = self.backgrounds[background_of(line)]
        return Composite(self.arrays[BACKGROUNDS][behind], *(self.arrays[kind][row] for kind in KINDS[1:]))

    def original_size(self, line: SplitLine) -> Size:
        return self.size


def checksums_file(root: Path, kind: str) -> Path:
    """(rows,) uint32 of a pack's array of this kind."""
    return root / f"{kind}.crc32.npy"


def array_shapes(num_backgrounds: int, num_samples: int, size: Size) -> Mapping[str, tuple[int, ...]]:
    """Shapes of a pack's arrays, by kind. size: (height, width)."""
    return {
        BACKGROUNDS: (num_backgrounds, 3, *size),
        PICTURES: (num_samples, 3, *size),
        MASKS: (num_samples, *size),
        DEPTHS: (num_samples, *size),
    }
