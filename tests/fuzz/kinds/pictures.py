"""Images of every format that we read, and 16-bit depth pictures."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from litemono.data.datasets.frames import FRAMES
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import FolderStore, ResizedStore, open_store
from litemono.data.stores.images import read_image

from ..mutations import damaged_bytes, damaged_png
from .base import Kind, Use

HEIGHT, WIDTH = 16, 24
DRIVE = "2011_09_26/2011_09_26_drive_0002_sync"


def encoded(mode: str, file_format: str, **options: object) -> bytes:
    size = (HEIGHT, WIDTH) if mode in ("L", "P", "1") else (HEIGHT, WIDTH, 3)
    values = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    image = Image.fromarray(values).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def sixteen_bits(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


RNG = np.random.default_rng(1)
WIDE = sixteen_bits(RNG.integers(0, 2**16, (HEIGHT, WIDTH)))
PNGS = [encoded("RGB", "PNG"), encoded("L", "PNG"), encoded("RGBA", "PNG"), encoded("P", "PNG"), WIDE]
EXIF = Image.Exif()
EXIF[0x0112] = 6
OTHERS = [
    encoded("RGB", "JPEG", exif=EXIF),
    encoded("L", "JPEG", progressive=True),
    encoded("CMYK", "JPEG"),
    encoded("RGB", "BMP"),
    encoded("RGB", "WEBP"),
    encoded("RGB", "WEBP", lossless=True),
    encoded("RGB", "TIFF", compression="tiff_lzw"),
    encoded("RGB", "PPM"),
]


def use_image(folder: Path) -> Use:
    """As training reads it, and as predict does."""
    path = folder / "000001.png"
    path.write_bytes(PNGS[0])

    def use(data: bytes) -> None:
        path.write_bytes(data)
        store = ResizedStore(FolderStore(FRAMES, folder, False), 32, 64)
        store.look(".", 1, "l")
        store.native_size(".", 1, "l")
        store.read(".", 1, "l")
        read_image(path, "replace it")

    return use


def use_depth(folder: Path) -> Use:
    """As supervised training reads it."""
    line = SplitLine(DRIVE, 1, "l")
    path = KITTI_RAW.pictures["depth"].path(folder, *line)
    path.parent.mkdir(parents=True, exist_ok=True)
    store = open_store("kitti", folder, True, 32, 64)

    def use(data: bytes) -> None:
        path.write_bytes(data)
        store.read_array("depth", *line)

    return use


read_any = partial(st.one_of, damaged_png(PNGS), damaged_png(PNGS), damaged_bytes(OTHERS), damaged_bytes(OTHERS))
IMAGES = Kind("images", [*PNGS, *OTHERS], read_any(damaged_bytes(PNGS)), use_image)
DEPTHS = [WIDE, sixteen_bits(RNG.integers(0, 20_000, (HEIGHT, WIDTH)))]
DEPTH_PICTURES = Kind("depth PNG", DEPTHS, st.one_of(damaged_png([*DEPTHS, *PNGS]), damaged_bytes(DEPTHS)), use_depth)
