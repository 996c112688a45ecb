"""Depth and mask PNGs that belong to frames: one channel, their numbers as they are in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from litemono.data.datasets.base import Dataset
from litemono.data.stores.images import NOT_AN_IMAGE
from litemono.utils.atomic_files import may_pass
from litemono.utils.errors import UserError

# The array types that Pillow gives for PNGs of so many bits; older versions read 16 bits as 32-bit integers.
TYPES = {8: (np.uint8,), 16: (np.uint16, np.int32)}


def read_picture(dataset: Dataset, root: Path, kind: str, folder: str, frame: int, side: str) -> np.ndarray:
    """(h, w) uint8 or uint16 of a frame's picture of this kind ("depth", "mask"); see `Dataset.pictures`."""
    if kind not in dataset.pictures:
        there = f"it has {', '.join(dataset.pictures)}" if dataset.pictures else "it has images alone"
        raise UserError(f"--dataset {dataset.name}: has no {kind} pictures; {there}")
    picture = dataset.pictures[kind]
    path = picture.path(root, folder, frame, side)
    remedy = f"extract it again from {picture.archive}"
    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except FileNotFoundError:
        raise UserError(
            f"frame {frame} {side} of {folder}: no {kind} picture {path}; extract {picture.archive} there"
        ) from None
    except NOT_AN_IMAGE as error:
        if may_pass(error):
            raise
        raise UserError(f"{path}: not a complete image ({error}); {remedy}") from None
    if values.ndim != 2 or values.dtype not in TYPES[picture.bits]:
        raise UserError(f"{path}: not a {picture.bits}-bit {kind} picture; {remedy}")
    return values.astype(np.uint8 if picture.bits == 8 else np.uint16)
