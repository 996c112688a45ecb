"""Predictions in files, matched to ground truth by name: a folder of maps, an .npz of named maps, or one map."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from litemono.utils.archives import check_sizes
from litemono.utils.atomic_files import check_is_file, may_pass
from litemono.utils.errors import UserError, reason

from ..keys import Key
from ..scoring.alignment import PredictionKind
from .map_files import EXTENSIONS, find_maps, read_map
from .names import key_of
from .sequences import Mapped


class NamedMaps(NamedTuple):
    """Predictions that have names."""

    path: Path
    names: Sequence[str]
    keys: Sequence[Key]
    kind: PredictionKind
    read: Callable[[int], np.ndarray]
    """(H, W) float32."""


def is_one_array(path: Path) -> bool:
    """Whether the file is one array of the maps of all images, which has no names. The reader says what is damaged."""
    if path.is_dir() or path.suffix.lower() not in (".npy", ".npz"):
        return False
    try:
        check_is_file(path)
        content = np.load(path, mmap_mode="r")
    except Exception as error:  # what numpy raises for a damaged file depends on where the damage is
        if may_pass(error):
            raise
        return path.suffix.lower() == ".npy" or not path.exists()
    try:
        if isinstance(content, np.ndarray):
            return content.ndim != 2
        with content:
            check_sizes(content.zip)
            return len(content.files) == 1 and content[content.files[0]].ndim > 2
    except Exception as error:
        if may_pass(error):
            raise
        return True


def open_named(path: Path, kind: PredictionKind | None, factor: float) -> NamedMaps:
    """Raises UserError where there are none, or where their kind cannot be seen and --pred_is does not say it."""
    if not path.exists():
        raise UserError(f"--pred {path}: there is no such file or folder")
    if path.suffix.lower() == ".npz" and not path.is_dir():
        return _archive(path, kind)
    root = path if path.is_dir() else path.parent
    names: Sequence[str] = find_maps(path) if path.is_dir() else [path.name]
    suffixes = {os.path.splitext(name)[1].lower() for name in names}
    if not names or not suffixes <= set(EXTENSIONS):
        raise UserError(f"--pred {path}: no predictions there; it needs files of {', '.join(EXTENSIONS)}")
    kind = _kind(kind, path, suffixes)

    def read(index: int) -> np.ndarray:
        return read_map(root / names[index], factor, "png_factor")

    return NamedMaps(path, names, Mapped(key_of, names), kind, read)


def _kind(kind: PredictionKind | None, path: Path, suffixes: set[str]) -> PredictionKind:
    if kind is None and suffixes != {".png"}:
        raise UserError(f"--pred {path}: say what its numbers are: --pred_is depth (metres), disparity or relative")
    return kind or "depth"


def _archive(path: Path, kind: PredictionKind | None) -> NamedMaps:
    try:
        check_is_file(path)
        arrays = np.load(path, allow_pickle=False)
        check_sizes(arrays.zip)
    except Exception as error:  # what numpy raises for a damaged file depends on where the damage is
        if may_pass(error):
            raise
        raise UserError(f"--pred {path}: not a readable .npz file ({reason(error)}); write it again") from None
    names = list(arrays.files)
    _check_maps(path, arrays, names)

    def read(index: int) -> np.ndarray:
        try:
            values = arrays[names[index]]
        except Exception as error:  # what numpy raises for a damaged file depends on where the damage is
            if may_pass(error):
                raise
            raise UserError(
                f"--pred {path}: its map {names[index]} is damaged ({reason(error)}); write it again"
            ) from None
        if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fui":
            raise UserError(f"--pred {path}: its array {names[index]} is not one map of numbers")
        return values.astype(np.float32)

    return NamedMaps(path, names, Mapped(key_of, names), _kind(kind, path, {".npz"}), read)


def _check_maps(path: Path, arrays: np.lib.npyio.NpzFile, names: list[str]) -> None:
    """Raise UserError if the archive is empty, or its first array holds the maps of several images."""
    try:
        first = arrays[names[0]] if names else np.empty(0)
    except Exception:  # the damaged map is named when it is read
        return
    if isinstance(first, np.ndarray) and first.ndim != 2:
        some = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        raise UserError(
            f"--pred {path}: an archive of {len(names)} arrays{': ' * bool(names)}{some}; it needs one array with the maps of "
            "all images, or an array (height, width) for each image under its name"
        )
