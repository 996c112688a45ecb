"""The ground-truth file.

Ours is an .npz with one array per image, "0000", "0001", ... in the order of the split's test_files.txt, and "lines",
the lines themselves. Reading it needs no pickle, and one image at a time is in memory.

The published one is an .npz with a single object array "data". Object arrays are pickles; it is read here by an
unpickler that accepts numpy's plain arrays and nothing else, so that a file from elsewhere cannot run code.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from litemono.data.splits import SplitLine
from litemono.utils.archives import check_sizes
from litemono.utils.atomic_files import check_is_file, may_pass, replacing
from litemono.utils.errors import UserError

COMPRESSION_LEVEL = 4  # sparse maps shrink 20-fold; higher levels gain a few per cent and take twice as long


def default_path(data_path: Path, split_name: str) -> Path:
    """Where export_gt writes and evaluate looks."""
    return data_path / f"gt_depths_{split_name}.npz"


# ---------------------------------------------------------------- writing


def write(path: Path, lines: Iterable[SplitLine], depths: Iterable[np.ndarray]) -> None:
    """Stream (H, W) float32 maps to `path`, which appears when all are in it."""
    with replacing(path) as file, _archive(file) as archive:
        for index, depth in enumerate(depths):
            _add(archive, f"{index:04d}", depth)
        _add(archive, "lines", np.array([str(line) for line in lines]))


def write_published(path: Path, depths: Iterable[np.ndarray]) -> None:
    """One object array "data", the form monodepth2 and its descendants load. Needs twice its size in memory.

    The pickle names numpy's array maker as numpy 1 did: both numpy 1 and 2 read that.
    """
    with replacing(path) as file, _archive(file) as archive, archive.open("data.npy", "w", force_zip64=True) as entry:
        maps = list(depths)
        array = np.empty(len(maps), object)
        array[:] = maps
        np.lib.format.write_array_header_1_0(entry, {"descr": "|O", "fortran_order": False, "shape": array.shape})
        payload = pickle.dumps(array, protocol=3)
        entry.write(payload.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1))


def _archive(file) -> zipfile.ZipFile:
    return zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL)


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array(entry, array, allow_pickle=False)


# ---------------------------------------------------------------- reading


class GroundTruth:
    """Depth maps by index, (H, W) float32 metres, 0 where nothing was measured.

    lines: the split lines they belong to, or None where the file does not tell (the published form).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            check_is_file(path)
            with zipfile.ZipFile(path) as archive:
                check_sizes(archive)
                names = set(archive.namelist())
                self._published = _read_published(archive) if "data.npy" in names else None
            self._arrays = np.load(path)
            self.lines = list(map(str, self._arrays["lines"])) if "lines.npy" in names else None
            numbered = sum(name[:-4].isdecimal() for name in names)
            self._count = numbered if self._published is None else len(self._published)
        except Exception as error:  # what numpy raises for a damaged file depends on where the damage is
            raise self._damaged(error) from None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(index)
        try:
            depth = self._arrays[f"{index:04d}"] if self._published is None else self._published[index]
            if not (isinstance(depth, np.ndarray) and depth.ndim == 2 and depth.dtype.kind in "fuiO"):
                raise ValueError(f"entry {index} is no depth map")
            return depth.astype(np.float32, copy=False)  # numbers one by one (O) where all maps had the same size
        except Exception as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> Exception:
        if may_pass(error):
            return error
        reason = str(error) or type(error).__name__
        return UserError(f"{self.path}: not a complete ground-truth file ({reason}); make it again with export_gt")


def _read_published(archive: zipfile.ZipFile) -> np.ndarray:
    """The array "data", whether of objects (maps of several sizes) or of numbers (all of one size)."""
    with archive.open("data.npy") as entry:
        version = np.lib.format.read_magic(entry)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(entry)
        if dtype.hasobject:
            data = _ArraysOnly(entry, encoding="latin1").load()
            if not isinstance(data, np.ndarray) or data.shape != shape:
                raise ValueError("its object array is damaged")
            return data
    with archive.open("data.npy") as entry:
        return np.lib.format.read_array(entry, allow_pickle=False)


def _number_or_object(name: str, *_: object) -> np.dtype:
    """A fresh dtype (unpickling sets its byte order) of floats, integers or object references."""
    if not isinstance(name, str) or name[:1] not in "fuiO":
        raise pickle.UnpicklingError(f"an array of {name!r}")
    return np.dtype(name, False, True)


def _bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding!r}")
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    """Makes arrays of numbers and arrays of such arrays; any other name in the pickle is an error."""

    _known = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): _number_or_object,
        ("_codecs", "encode"): _bytes,  # how the older protocols write them
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self._known:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}, which is no array")
        return self._known[module, name]
