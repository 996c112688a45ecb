"""Image files of any kind as the networks' input: 8-bit RGB."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from litemono.utils.atomic_files import check_is_file, may_pass
from litemono.utils.errors import UserError, reason

# What Pillow raises for a file that is no image, or only half of one.
NOT_AN_IMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, RuntimeError, struct.error, zlib.error),
    Image.DecompressionBombError,
)
# By EXIF's orientation: how a phone's picture is turned upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


# Numbers of 16-bit images end above this; 10, 12 and 14 bits of a camera in 16 would come out nearly black.
LEAST_WHITE = 2**14


# check_pixels refuses what Pillow only warns of.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def check_pixels(image: Image.Image) -> None:
    """DecompressionBombError where the image, not yet decoded, has more pixels than Pillow takes without a warning.

    A file of 2 MB may ask for gigabytes. Pillow's own error comes at two times as many pixels.
    """
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and image.width * image.height > most:
        raise Image.DecompressionBombError(f"{image.width}x{image.height}, more than {most / 1e6:.0f} million")


FACTOR_NOTE = "depth_factor"
"""Text in a PNG of `litemono predict --depth_png`: the number that stands for one metre."""


def check_factor(path: Path, factor: float, flag: str) -> None:
    """UserError where a depth PNG says another factor than `factor`, the value of --FLAG; other files say none."""
    check_stated(stated_factor(path), factor, flag, path)


def stated_factor(path: Path) -> str | None:
    """The note, of a PNG that has it and can be opened."""
    if path.suffix.lower() != ".png":
        return None
    try:
        check_is_file(path)
        with Image.open(path) as image:
            return image.info.get(FACTOR_NOTE)
    except NOT_AN_IMAGE as error:  # what reads the pixels says what is wrong
        if may_pass(error):
            raise
        return None


def factor_in(content: bytes) -> str | None:
    """The note in a file's bytes."""
    with Image.open(io.BytesIO(content)) as image:
        return image.info.get(FACTOR_NOTE)


def check_same_factor(stated: str | None, others: str | None, where: object) -> None:
    """UserError where a map's note differs from that of the others that are packed into one file."""
    if stated != others:
        raise UserError(
            f"{where}: its note says the factor {stated}, that of others beside it says {others}; write all with one factor"
        )


def check_stated(stated: object, factor: float, flag: str, where: object) -> None:
    """The same of a note that was read."""
    try:
        other = stated is not None and float(str(stated)) != float(f"{factor:g}")
    except ValueError:
        return  # of another program
    if other:
        raise UserError(f"{where}: says that its factor is {stated}; give --{flag} {stated}")


class ColourTable(ValueError):
    """Pixels are places in a table of colours, and no numbers."""


class UnknownRange(ValueError):
    """Which number is white?"""


def read_image(path: Path, remedy: str) -> Image.Image:
    """A file as 8-bit RGB, upright by its EXIF note. UserError, which ends with `remedy`, for a file that is no image."""
    try:
        check_is_file(path)
        with Image.open(path) as file:
            check_pixels(file)
            return to_rgb(file)
    except NOT_AN_IMAGE as error:
        raise unreadable(path, error, remedy) from None


def decode_image(content: bytes, where: object, remedy: str, turned_by_exif: bool = True) -> Image.Image:
    """The same of a file's bytes; `where` names it in messages."""
    try:
        with Image.open(io.BytesIO(content)) as file:
            check_pixels(file)
            return to_rgb(file, turned_by_exif)
    except NOT_AN_IMAGE as error:
        raise unreadable(where, error, remedy) from None


def read_numbers(path: Path, remedy: str, labels: bool = False) -> np.ndarray:
    """Pixels as stored, (h, w) or (h, w, channels). labels: places in a table of colours are what is asked for, as in masks.

    UserError, which ends with `remedy`, for a file that is no image.
    """
    try:
        check_is_file(path)
        with Image.open(path) as image:
            return _numbers(image, labels)
    except NOT_AN_IMAGE as error:
        if may_pass(error):
            raise
        raise unreadable(path, error, remedy) from None


def decode_numbers(content: bytes, where: object, remedy: str, labels: bool = False) -> np.ndarray:
    """The same of a file's bytes; `where` names it in messages."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return _numbers(image, labels)
    except NOT_AN_IMAGE as error:
        raise unreadable(where, error, remedy) from None


def _numbers(image: Image.Image, labels: bool) -> np.ndarray:
    check_pixels(image)
    values = np.asarray(image)
    if image.mode == "P" and not labels and (values[..., None] != np.asarray(image.convert("RGB"))).any():
        raise ColourTable
    return values


def to_rgb(image: Image.Image, turned_by_exif: bool = True) -> Image.Image:
    """The image, decoded, in 8-bit RGB, and turned as its EXIF note says. Of 16 bits a channel the upper 8.

    UnknownRange for numbers that could mean anything: 32 bits, or 16 bits that are not filled.
    """
    wide = _has_16_bits(image)  # known before it is decoded
    image.load()
    turn = orientation(image) if turned_by_exif else None  # known before it is converted
    converted = _to_8_bits(image, wide)
    return converted if turn is None else converted.transpose(turn)


def orientation(image: Image.Image) -> Image.Transpose | None:
    """The turn that makes an image upright, by its EXIF note. (ImageOps.exif_transpose writes the note anew, and fails on odd
    ones.)"""
    return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))  # 1: upright


def _to_8_bits(image: Image.Image, wide: bool) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if wide and 0 < (highest := _highest(image)) < LEAST_WHITE >> 8:
        raise UnknownRange(f"its 16-bit numbers end below {(highest + 1) * 256}, so they do not fill their range")
    if image.mode == "RGB":
        return image
    if image.mode in ("I", "F"):  # Pillow would cut off what is above 255
        raise UnknownRange(f"its pixels are {'32-bit integers' if image.mode == 'I' else 'floating-point numbers'}")
    return image.convert("RGB")


def _has_16_bits(image: Image.Image) -> bool:
    """Whether the file has 16 bits a channel, of which Pillow hands out 8 for colours; asked before it is decoded."""
    raw = (tile[3] for tile in getattr(image, "tile", ()))
    names = (args if isinstance(args, str) else args[0] for args in raw if args)
    return image.mode.startswith("I;16") or any(";16" in str(name) for name in names)


def _highest(image: Image.Image) -> int:
    """Of all colours; alpha is none."""
    return max(int(np.asarray(image.getchannel(band)).max()) for band in image.getbands() if band != "A")


def unreadable(where: object, error: BaseException, remedy: str) -> UserError:
    """What to tell the user when `where` raised one of NOT_AN_IMAGE."""
    if isinstance(error, Image.DecompressionBombError):
        return UserError(f"{where}: too many pixels for an image of a camera ({reason(error)}); {remedy}")
    if isinstance(error, ColourTable):
        return UserError(
            f"{where}: its pixels are places in a table of colours, not numbers; write it as a grey picture"
        )
    if isinstance(error, UnknownRange):
        return UserError(f"{where}: {error}; scale them to the full range, or save it with 8 bits a channel")
    return UserError(f"{where}: not a complete image ({reason(error)}); {remedy}")
