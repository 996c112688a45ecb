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
from litemono.data.stores.images import check_stated
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

    def values(self, numbers: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """float32 metres, or inverse depth of unknown scale, of numbers of any shape; 0 where nothing was measured.

        out: float32 of that shape, to be filled and returned.
        """
        values = np.empty(numbers.shape, np.float32) if out is None else out
        values[...] = numbers
        values /= np.float32(self.factor)
        return values

    def check(self, numbers: np.ndarray, where: object) -> None:
        """UserError for numbers (h, w) that are no depth. where: the file, for messages.

        Larger numbers are larger values, so the extremes show whether any is wrong: NaN is one, too.
        """
        if numbers.size == 0:
            return
        of_floats = numbers.dtype.kind == "f"
        lowest = self.values(numbers.min()) if of_floats else np.float32(0)
        highest = self.values(numbers.max())
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            count = np.count_nonzero(~np.isfinite(self.values(numbers)))
            raise UserError(f"{where}: {count} pixels are NaN or infinite; write 0 where nothing was measured")
        if lowest < 0:
            count = np.count_nonzero(self.values(numbers) < 0)
            raise UserError(f"{where}: {count} pixels are negative; write 0 where nothing was measured")
        if self.depth_is == "metres" and highest > FARTHEST:
            raise UserError(
                f"{where}: the farthest pixel is at {highest:g} m with --depth_factor {self.factor:g} (metres = number / "
                "factor); give the factor of these files, such as 256 (KITTI) or 1000 (millimetres)"
            )


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
    for line in chosen if unit.depth_is == "metres" else ():
        check_stated(store.stated_factor(*line), unit.factor, "depth_factor", store.array_place("depth", *line))
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
    """(h, w) float32 of a sample at the size it is stored at; see DepthUnit.values and read_numbers."""
    return unit.values(read_numbers(store, line, unit))


def read_numbers(store: FrameStore, line: SplitLine, unit: DepthUnit) -> np.ndarray:
    """(h, w) numbers of a sample as they are stored, 0 where its mask, if it has one, is 0; UserError as DepthUnit.check."""
    numbers = store.read_array("depth", *line)
    unit.check(numbers, store.array_place("depth", *line))
    if "mask" in store.dataset.pictures and store.has_array("mask", *line):
        mask = store.read_array("mask", *line)
        if mask.shape != numbers.shape:
            raise UserError(
                f"{store.array_place('mask', *line)}: {mask.shape[1]}x{mask.shape[0]} pixels, its depth has "
                f"{numbers.shape[1]}x{numbers.shape[0]}; a mask is of the size of its depth"
            )
        numbers = np.where(mask > 0, numbers, numbers.dtype.type(0))
    return numbers


def inverse(values: np.ndarray, depth_is: DepthIs) -> np.ndarray:
    """(h, w) float32 inverse depth up to scale, the nearest pixel at 10; 0 where nothing was measured.

    The range of MiDaS's targets; a loss that aligns scale and shift needs one for all data sets.
    """
    if depth_is == "metres":
        values = np.divide(1, values, out=np.zeros_like(values), where=values > 0)
    nearest = values.max(initial=0)
    return values * np.float32(10 / nearest) if nearest > 0 else values
