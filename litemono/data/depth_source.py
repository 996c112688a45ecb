"""Ground truth of one data set: what its numbers mean, and whether files are what they should be."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from litemono.data.datasets.base import Dataset, DepthIs, Size
from litemono.data.splits import SplitLine
from litemono.data.stores.arrays import other_size, picture_of
from litemono.data.stores.base import FrameStore
from litemono.data.stores.headers import PNG, BadFile, image_size
from litemono.data.stores.picture_pack import PicturePack
from litemono.utils.errors import UserError

FARTHEST = 1000.0  # metres; what lies beyond was divided by a wrong factor
EIGHT_BITS = "has 8 bits, and metres need 16; give the original files, or --depth_is relative if larger is nearer"
LOOKED_INTO = 16  # files of each list that are read before training
THREADS = 8


class DepthUnit(NamedTuple):
    """What the numbers of ground truth mean."""

    depth_is: DepthIs
    factor: float
    """Numbers for one metre."""

    @classmethod
    def of(cls, dataset: Dataset, depth_is: DepthIs | None, factor: float | None) -> DepthUnit:
        """The data set's own, unless the flags --depth_is and --depth_factor say otherwise."""
        picture = picture_of(dataset, "depth")
        return cls(depth_is or picture.depth_is, factor or picture.units_per_metre or 1.0)

    def values(self, numbers: np.ndarray, where: object) -> np.ndarray:
        """(h, w) float32 metres, or inverse depth of unknown scale; 0 where nothing was measured.

        UserError for numbers that are no depth. where: the file, for messages.
        """
        values = numbers.astype(np.float32)
        values /= np.float32(self.factor)
        if numbers.dtype.kind == "f" and not np.isfinite(values).all():
            count = np.count_nonzero(~np.isfinite(values))
            raise UserError(f"{where}: {count} pixels are NaN or infinite; write 0 where nothing was measured")
        if numbers.dtype.kind == "f" and values.min(initial=0) < 0:
            raise UserError(
                f"{where}: {np.count_nonzero(values < 0)} pixels are negative; write 0 where nothing was measured"
            )
        if self.depth_is == "metres" and values.max(initial=0) > FARTHEST:
            raise UserError(
                f"{where}: the farthest pixel is at {values.max():g} m with --depth_factor {self.factor:g} (metres = number / "
                "factor); give the factor of these files, such as 256 (KITTI) or 1000 (millimetres)"
            )
        return values


def check_depth(
    store: FrameStore, lines: Sequence[SplitLine], unit: DepthUnit | None, source: object
) -> list[SplitLine]:
    """The lines that have depth, after a look at all files' first bytes and into some of them.

    unit: None stands for the data set's own. Says on stderr how many frames have none. UserError where none has, or one that
    cannot be the depth of its image.
    """
    unit = unit or DepthUnit.of(store.dataset, None, None)
    picture = picture_of(store.dataset, "depth")
    found = [line for line in lines if has_depth(store, line)]
    if not found:
        raise UserError(
            f"{source}: none of its {len(lines)} frames has a depth picture, such as "
            f"{picture.path(store.root, *lines[0])}; extract {picture.archive} into --data_path"
        )
    with ThreadPoolExecutor(THREADS) as threads:
        problems = [text for text in threads.map(lambda line: problem(store, line, unit), found) if text]
    if problems:
        raise UserError(f"{source}: {len(problems)} of {len(lines)} depth pictures do not fit (first: {problems[0]})")
    look_into(store, found, unit, source)
    if len(found) < len(lines):
        print(
            f"{source}: {len(lines) - len(found)} of {len(lines)} frames have no depth and are left out",
            file=sys.stderr,
        )
    return found


def has_depth(store: FrameStore, line: SplitLine) -> bool:
    return store.has_array("depth", *line)


def problem(store: FrameStore, line: SplitLine, unit: DepthUnit) -> str | None:
    """What is wrong with a depth file by its first bytes: no image, 8 bits where metres need 16, another size."""
    path = store.array_path("depth", *line)
    if path is None:  # packed: its size was compared with its image's
        packed_bits = store.map_bits("depth", line.folder, line.frame) if isinstance(store, PicturePack) else 16
        if unit.depth_is == "metres" and packed_bits == 8:
            return f"{store.array_place('depth', *line)}: {EIGHT_BITS}"
        return None
    picture = picture_of(store.dataset, "depth")
    try:
        size, bits = size_and_bits(path)
    except BadFile as error:
        return f"{path}: {error}; extract {picture.archive} again"
    if unit.depth_is == "metres" and bits == 8:
        return f"{path}: {EIGHT_BITS}"
    of_image = store.native_size(*line)
    if size != of_image:
        return other_size(path, size, of_image, "depth")
    return None


def size_and_bits(path: Path) -> tuple[Size, int]:
    """(height, width) and bits of a depth file; of a PNG from its header."""
    if path.suffix in (".npy", ".pfm"):
        from litemono.data.stores.arrays import read_floats

        try:
            height, width = read_floats(path).shape
        except UserError as error:
            raise BadFile(str(error).removeprefix(f"{path}: ")) from None
        return (height, width), 32
    size = image_size(path, turned_by_exif=False)
    with open(path, "rb") as file:
        start = file.read(26)
    return size, struct.unpack(">B", start[24:25])[0] if start.startswith(PNG) else 8


def look_into(store: FrameStore, lines: Sequence[SplitLine], unit: DepthUnit, source: object) -> None:
    """Read some maps, spread over the list; UserError for numbers that are no depth, and where nothing was measured."""
    places = np.unique(np.linspace(0, len(lines) - 1, LOOKED_INTO).round().astype(int))
    chosen = [lines[place] for place in places]
    empty = [line for line in chosen if not read_depth(store, line, unit).any()]
    if len(empty) == len(chosen):
        raise UserError(
            f"{source}: no pixel is measured (all are 0) in any of {len(chosen)} depth maps that were looked into, such as "
            f"{store.array_place('depth', *empty[0])}"
        )
    if empty:
        print(
            f"warning: {source}: {len(empty)} of {len(chosen)} depth maps that were looked into have no measured pixel, such "
            f"as {store.array_place('depth', *empty[0])}",
            file=sys.stderr,
        )


def read_depth(store: FrameStore, line: SplitLine, unit: DepthUnit) -> np.ndarray:
    """(h, w) float32 of a sample at the size it is stored at, 0 where its mask, if it has one, is 0; see DepthUnit.values."""
    values = unit.values(store.read_array("depth", *line), store.array_place("depth", *line))
    if "mask" in store.dataset.pictures and store.has_array("mask", *line):
        mask = store.read_array("mask", *line)
        if mask.shape != values.shape:
            raise UserError(
                f"{store.array_place('mask', *line)}: {mask.shape[1]}x{mask.shape[0]} pixels, its depth has "
                f"{values.shape[1]}x{values.shape[0]}; a mask is of the size of its depth"
            )
        values = np.where(mask > 0, values, np.float32(0))
    return values


def inverse(values: np.ndarray, depth_is: DepthIs) -> np.ndarray:
    """(h, w) float32 inverse depth up to scale, the nearest pixel at 10; 0 where nothing was measured.

    The range of MiDaS's targets; a loss that aligns scale and shift needs one for all data sets.
    """
    if depth_is == "metres":
        values = np.divide(1, values, out=np.zeros_like(values), where=values > 0)
    nearest = values.max(initial=0)
    return values * np.float32(10 / nearest) if nearest > 0 else values
