"""Depth and disparity maps in files: .png .npy .npz .pfm .tif .dpt -> (H, W) float32."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from litemono.data.stores.images import check_pixels
from litemono.utils.archives import check_sizes
from litemono.utils.atomic_files import may_pass
from litemono.utils.errors import UserError, reason

EXTENSIONS = (".png", ".npy", ".npz", ".pfm", ".tif", ".tiff", ".dpt")
SINTEL_TAG = 202021.25
SIXTEEN_BITS = (np.uint16, np.int32)  # Pillow's types for PNGs of 16 bits; older versions read them as integers of 32


def read_map(path: Path, factor: float) -> np.ndarray:
    """(H, W) float32. Whole numbers (16-bit .png and .tif) are divided by `factor`; floating point is as in the file.

    Raises UserError for files that are damaged, have 8 bits, or hold no single map.
    """
    try:
        values = READERS[path.suffix.lower()](path)
        if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
            values = values[0] if values.shape[0] == 1 else values[:, :, 0]
        if values.ndim != 2 or not values.size or values.dtype.kind not in "fui":
            raise ValueError(f"an array of shape {values.shape} and type {values.dtype}, not one map")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except UserError:
        raise
    except Exception as error:  # what a damaged file raises depends on where the damage is
        if may_pass(error):
            raise
        raise UserError(f"{path}: not a readable depth map ({reason(error)}); write or download it again") from None
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    return values.astype(np.float32) / np.float32(factor)


def _picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        check_pixels(image)
        values = np.asarray(image)
    if values.dtype.kind != "f" and values.dtype not in SIXTEEN_BITS:
        raise UserError(
            f"{path}: a picture of 8 bits is no depth map; write 16 bits (metres times 256), or give .npy files"
        )
    return values


def _npy(path: Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _npz(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        check_sizes(archive.zip)
        if len(archive.files) != 1:
            raise ValueError(f"an archive of {len(archive.files)} arrays")
        return archive[archive.files[0]]


def _pfm(path: Path) -> np.ndarray:
    """Portable float map: "Pf", width height, scale (negative: little-endian), rows from the bottom."""
    with open(path, "rb") as file:
        tag = file.readline().strip()
        width, height = map(int, file.readline().split())
        order = "<" if float(file.readline()) < 0 else ">"
        if tag != b"Pf":
            raise ValueError("not of one channel")
        return np.frombuffer(file.read(), f"{order}f4").reshape(height, width)[::-1]


def _dpt(path: Path) -> np.ndarray:
    """Sintel: float32 tag, int32 width and height, float32 rows."""
    data = path.read_bytes()
    if np.frombuffer(data[:4], "<f4") != np.float32(SINTEL_TAG):
        raise ValueError("it does not start with Sintel's tag")
    width, height = np.frombuffer(data[4:12], "<i4")
    return np.frombuffer(data[12:], "<f4").reshape(height, width)


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    ".png": _picture,
    ".tif": _picture,
    ".tiff": _picture,
    ".npy": _npy,
    ".npz": _npz,
    ".pfm": _pfm,
    ".dpt": _dpt,
}


def find_maps(root: Path) -> list[str]:
    """Names below `root` of every file that could be a map, sorted by folder and file; hidden ones left out.

    Names and not paths, which take five times the memory: a folder may have a million of them.
    """
    found: list[str] = []
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        place = os.path.relpath(directory, root)
        chosen = (n for n in names if not n.startswith(".") and os.path.splitext(n)[1].lower() in EXTENSIONS)
        found += chosen if place == "." else (os.path.join(place, name) for name in chosen)
    return sorted(found, key=lambda name: name.replace(os.sep, "\0"))
