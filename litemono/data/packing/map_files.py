"""Depth and masks out of a folder or archive, as both kinds of pack store them."""

from __future__ import annotations

import os

import numpy as np

from litemono.data.datasets.base import Picture, Size
from litemono.data.packing.sources import Member
from litemono.data.stores.arrays import check_png, check_size, parse_floats
from litemono.data.stores.images import decode_numbers


def read_map(member: Member, kind: str, picture: Picture, of_image: Size) -> np.ndarray:
    """(h, w) uint8, uint16 or float32, little-endian: a file's numbers. UserError where it is not of its image's size."""
    suffix, content = os.path.splitext(member.name)[1].lower(), member.read()
    if suffix in (".npy", ".pfm"):
        values = parse_floats(content, suffix, member.where)
    else:
        values = check_png(decode_numbers(content, member.where, member.source.remedy), member.where, kind, picture)
    check_size(values, of_image, member.where, kind)
    return values.astype(values.dtype.newbyteorder("<"), copy=False)
