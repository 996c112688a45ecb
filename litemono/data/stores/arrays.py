"""Depth and mask files that belong to frames: one channel, their numbers as they are in the file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np

from litemono.data.datasets.base import Dataset, Picture, Size
from litemono.data.stores.images import read_numbers
from litemono.utils.atomic_files import check_is_file, may_pass
from litemono.utils.errors import UserError, reason

# The array types that Pillow gives for PNGs of so many bits; older versions read 16 bits as 32-bit integers.
TYPES = {8: (np.uint8,), 16: (np.uint16, np.int32)}
MOST_BYTES = 2**29  # of a file: 67 million pixels of 64 bits
PFM_HEADER = re.compile(rb"(Pf|PF)\s+(\d+)\s+(\d+)\s+(-?[\d.eE+-]+)\s")


def picture_of(dataset: Dataset, kind: str) -> Picture:
    """Where the data set has pictures of this kind ("depth", "mask"); UserError where it has none."""
    if kind not in dataset.pictures:
        there = f"it has {', '.join(dataset.pictures)}" if dataset.pictures else "it has images alone"
        raise UserError(f"--dataset {dataset.name}: has no {kind} pictures; {there}")
    return dataset.pictures[kind]


def read_picture(dataset: Dataset, root: Path, kind: str, folder: str, frame: int, side: str) -> np.ndarray:
    """(h, w) numbers of a frame's picture of this kind: uint8 or uint16 of a PNG, float32 of .npy and .pfm."""
    picture = picture_of(dataset, kind)
    path = picture.path(root, folder, frame, side)
    if not path.exists():
        raise UserError(f"frame {frame} {side} of {folder}: no {kind} picture {path}; extract {picture.archive} there")
    if path.suffix in (".npy", ".pfm"):
        return read_floats(path)
    return read_png(path, kind, picture)


def read_png(path: Path, kind: str, picture: Picture) -> np.ndarray:
    """(h, w) uint8 or uint16; UserError for another number of bits than the picture's, and for several channels."""
    values = read_numbers(path, f"extract it again from {picture.archive}", labels=kind == "mask")
    return check_png(values, path, kind, picture)


def check_png(values: np.ndarray, where: object, kind: str, picture: Picture) -> np.ndarray:
    """(h, w) uint8 or uint16 of what Pillow read; UserError as read_png."""
    if kind == "mask" and values.dtype == np.bool_:  # of a picture of 1 bit
        values = values.astype(np.uint8)
    check_16_bits(values, where)
    any_bits = kind == "depth" and (picture.depth_is != "metres" or picture.any_bits)
    fitting = (*TYPES[8], *TYPES[16]) if any_bits else TYPES[picture.bits]
    if values.ndim != 2 or values.dtype not in fitting:
        there = "several channels" if values.ndim != 2 else "8 bits" if values.dtype == np.uint8 else str(values.dtype)
        raise UserError(
            f"{where}: not a {picture.bits}-bit {kind} picture (it has {there}); extract it again from {picture.archive}"
        )
    return values.astype(np.uint8 if values.dtype == np.uint8 else np.uint16)


def check_16_bits(values: np.ndarray, where: object) -> None:
    """UserError for whole numbers that a PNG cannot have: the file is of another kind, whatever its name."""
    if values.dtype == np.int32 and values.size and not 0 <= values.min() <= values.max() < 2**16:
        raise UserError(
            f"{where}: has numbers from {values.min()} to {values.max()}, and 16 bits end at 65535; scale them"
        )


def check_size(values: np.ndarray, of_image: Size, where: object, what: str) -> None:
    """UserError for a map (h, w) of another size than its image."""
    height, width = values.shape
    if (height, width) != of_image:
        raise UserError(other_size(where, (height, width), of_image, what))


def other_size(where: object, size: Size, of_image: Size, what: str) -> str:
    sizes = f"{size[1]}x{size[0]} pixels, its image has {of_image[1]}x{of_image[0]}"
    return f"{where}: {sizes}; {what} must be of the image's own size"


def read_floats(path: Path, whole_numbers: bool = True) -> np.ndarray:
    """(h, w) float32 of a .npy or .pfm file with one channel. whole_numbers: whether it may hold these."""
    try:
        check_is_file(path, MOST_BYTES)
        content = path.read_bytes()
    except OSError as error:
        if may_pass(error):
            raise
        raise UserError(f"{path}: not a complete {path.suffix} file ({reason(error)}); write it again") from None
    return parse_floats(content, path.suffix, path, whole_numbers)


def parse_floats(content: bytes, suffix: str, where: object, whole_numbers: bool = True) -> np.ndarray:
    """The same of a file's bytes. where: the file, for messages."""
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False) if suffix == ".npy" else _parse_pfm(content)
    except Exception as error:  # what numpy raises for a damaged file depends on where the damage is
        raise UserError(f"{where}: not a complete {suffix} file ({reason(error)}); write it again") from None
    if (
        not isinstance(values, np.ndarray)
        or values.squeeze().ndim != 2
        or not values.size
        or values.dtype.kind not in "fiu"
    ):
        raise UserError(f"{where}: holds no depth map, one number for each pixel; write an array (height, width)")
    if not whole_numbers and values.dtype.kind != "f":
        raise UserError(
            f"{where}: holds whole numbers ({values.dtype}), and metres are floating-point numbers; divide them by their "
            "factor, or write a 16-bit PNG"
        )
    with np.errstate(over="ignore"):  # to infinity, which is no depth either
        return values.squeeze().astype(np.float32)


def _parse_pfm(content: bytes) -> np.ndarray:
    """Portable float map, one channel: rows from the bottom; a negative scale means little-endian."""
    header = PFM_HEADER.match(content)
    if header is None or header[1] != b"Pf":
        raise ValueError("it does not begin with Pf, width, height and scale")
    width, height, order = int(header[2]), int(header[3]), "<" if float(header[4]) < 0 else ">"
    values = np.frombuffer(content, f"{order}f4", offset=header.end())
    if values.size != width * height:
        raise ValueError(f"{values.size} numbers for {width}x{height} pixels")
    return values.reshape(height, width)[::-1]
