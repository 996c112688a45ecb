"""Depth and disparity maps in files: .png .npy .npz .pfm .tif .dpt, ETH3D's -> (H, W) float32."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from litemono.data.stores.arrays import MOST_BYTES
from litemono.data.stores.images import check_factor, check_pixels
from litemono.utils.archives import check_sizes
from litemono.utils.atomic_files import check_is_file, may_pass
from litemono.utils.errors import UserError, reason

from .sequences import Names

EXTENSIONS = (".png", ".npy", ".npz", ".pfm", ".tif", ".tiff", ".dpt")
SINTEL_TAG = 202021.25
ETH3D_FOLDER, ETH3D_SIZE = "ground_truth_depth", (4032, 6048)  # the size of its photos
SIXTEEN_BITS = (np.uint16, np.int32)  # Pillow's types for PNGs of 16 bits; older versions read them as integers of 32


def read_map(path: Path, factor: float, flag: str) -> np.ndarray:
    """(H, W) float32. Whole numbers (16-bit .png and .tif) are divided by `factor`; floating point is as in the file.

    Raises UserError for files that are damaged, have 8 bits, hold no single map, or say another factor than --FLAG.
    """
    try:
        check_is_file(path, MOST_BYTES)
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
    check_factor(path, factor, flag)
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


def _eth3d(path: Path) -> np.ndarray:
    """float32 rows without a header under the name of the photo, whose size they have; infinite where nothing was measured."""
    values = np.fromfile(path, "<f4")
    if values.size != ETH3D_SIZE[0] * ETH3D_SIZE[1] or values.nbytes != path.stat().st_size:
        raise ValueError(f"{path.stat().st_size} bytes, not the 4032x6048 numbers of an ETH3D depth map")
    return values.reshape(ETH3D_SIZE)


READERS: dict[str, Callable[[Path], np.ndarray]] = {
    ".png": _picture,
    ".tif": _picture,
    ".tiff": _picture,
    ".npy": _npy,
    ".npz": _npz,
    ".pfm": _pfm,
    ".dpt": _dpt,
    ".jpg": _eth3d,
}


def find_maps(root: Path) -> Names:
    """Names below `root` of every file that could be a map, in the order of their folders and files; hidden ones left out.

    Links to folders are followed. Raises UserError for a folder that cannot be read.
    """
    found = Names()
    _add_maps(found, os.path.abspath(root), "", ())
    return found


def _add_maps(found: Names, folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> None:
    """prefix: of the folder's names. above: the folders that it lies in, so that a link to one of them is no endless loop."""
    below, names = set(), []
    endings = (*EXTENSIONS, ".jpg") if ETH3D_FOLDER in folder.split(os.sep) else EXTENSIONS
    try:
        state = os.stat(folder)
        here = (state.st_dev, state.st_ino)
        if here in above:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if os.path.splitext(entry.name)[1].lower() in endings and not entry.is_dir():
                    names.append(entry.name)
                elif entry.is_dir():
                    below.add(entry.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); give a folder that can") from None
    names += below
    names.sort()
    for name in names:
        if name in below:
            _add_maps(found, os.path.join(folder, name), f"{prefix}{name}{os.sep}", (*above, here))
        else:
            found.append(prefix + name)
