"""Depth and masks out of a folder or archive, as both kinds of pack store them."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from litemono.data.datasets.base import Picture, Size
from litemono.data.packing.sources import Member
from litemono.data.stores.arrays import check_png, check_size, parse_floats
from litemono.data.stores.images import decode_numbers, factor_in


class StoredMap(NamedTuple):
    values: np.ndarray
    """(h, w) uint8, uint16 or float32, little-endian: a file's numbers."""
    factor: str | None
    """Number for one metre, where the file says it: see images.check_factor."""


def read_map(member: Member, kind: str, picture: Picture, of_image: Size) -> StoredMap:
    """UserError where it is not of its image's size."""
    suffix, content, factor = os.path.splitext(member.name)[1].lower(), member.read(), None
    if suffix in (".npy", ".pfm"):
        values = parse_floats(content, suffix, member.where)
    else:
        numbers = decode_numbers(content, member.where, member.source.remedy, labels=kind == "mask")
        values, factor = check_png(numbers, member.where, kind, picture), factor_in(content)
    check_size(values, of_image, member.where, kind)
    return StoredMap(values.astype(values.dtype.newbyteorder("<"), copy=False), factor)
