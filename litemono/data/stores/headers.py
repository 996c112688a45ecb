"""A look at an image file's first bytes: is it there, is it an image, how large? Some 0.03 ms a file; nothing is decoded.

The check before training, `verify` and the doctor read these bytes of every frame. A name in a listing is not enough:
links dangle, disks are not mounted in a job, copies end with empty files.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

from PIL import ExifTags, Image

from litemono.data.datasets.base import Size
from litemono.data.stores.images import NOT_AN_IMAGE
from litemono.utils.atomic_files import may_pass

FIRST_BYTES = 4096
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
NO_FRAME = {0xC4, 0xC8, 0xCC}  # JPEG markers from C0 to CF that do not start a frame
TURNED = {5, 6, 7, 8}  # EXIF orientations that swap height and width
OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a named pipe would wait for a writer


class BadFile(ValueError):
    """What can be seen to be wrong with a file, without its name."""


def image_size(path: Path, turned_by_exif: bool) -> Size:
    """(height, width) of the image, of the turned one where its EXIF note counts; BadFile says what is wrong.

    OSError of a file server's bad moment comes through.
    """
    try:
        descriptor = os.open(path, OPEN)
    except OSError as error:
        if may_pass(error):
            raise
        dangles = path.is_symlink() and not path.exists()
        raise BadFile(f"a link to {os.readlink(path)}, which is not there" if dangles else error.strerror) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadFile("not a file")
        start = os.read(descriptor, FIRST_BYTES)
        if not start:
            raise BadFile("an empty file")
        has_note = turned_by_exif and (b"eXIf" in start or b"Exif" in start or b"Raw profile" in start)
        if start.startswith(PNG) and not has_note:
            return _png_size(start)
        if start.startswith(JPEG) and not has_note:
            return _jpeg_size(descriptor, start)
    finally:
        os.close(descriptor)
    return _any_size(path, turned_by_exif)


def _png_size(start: bytes) -> Size:
    if len(start) < 24 or start[12:16] != b"IHDR":
        raise BadFile("a PNG without a header")
    width, height = struct.unpack(">II", start[16:24])
    return _plausible(height, width)


def _jpeg_size(descriptor: int, start: bytes) -> Size:
    """From the first frame header, which may lie behind notes and thumbnails."""
    base, place, end = 0, 2, os.fstat(descriptor).st_size
    while place + 9 <= end:
        if place + 9 > base + len(start):
            os.lseek(descriptor, place, os.SEEK_SET)
            base, start = place, os.read(descriptor, FIRST_BYTES)
        segment = start[place - base : place - base + 9]
        if len(segment) < 9 or segment[0] != 0xFF:
            break
        marker = segment[1]
        if 0xC0 <= marker <= 0xCF and marker not in NO_FRAME:
            height, width = struct.unpack(">HH", segment[5:9])
            return _plausible(height, width)
        length = int.from_bytes(segment[2:4], "big")
        place += 1 if marker == 0xFF else 2 + length  # FF may be repeated before a marker
        if marker != 0xFF and length < 2:
            break
    raise BadFile("a JPEG without an image in it")


def _any_size(path: Path, turned_by_exif: bool) -> Size:
    try:
        with Image.open(path) as image:
            width, height = image.size
            # Of a PNG Pillow would decode all pixels in search of a note behind them; a TIFF it turns by itself.
            noted = turned_by_exif and image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
            turned = noted and image.getexif().get(ExifTags.Base.Orientation) in TURNED
    except NOT_AN_IMAGE as error:
        if may_pass(error):
            raise
        unknown = isinstance(error, Image.UnidentifiedImageError)
        raise BadFile("not an image, by its first bytes" if unknown else str(error)) from None
    return _plausible(*((width, height) if turned else (height, width)))


def _plausible(height: int, width: int) -> Size:
    if not height or not width:
        raise BadFile("an image without pixels")
    most = Image.MAX_IMAGE_PIXELS or height * width  # as images.check_pixels
    if height * width > most:
        raise BadFile(f"{width}x{height} pixels, too many for an image of a camera")
    return height, width
