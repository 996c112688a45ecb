"""From an original image and its depth to the size that a batch has: --fit.

    stretch   resized to --height x --width; the aspect is not kept
    cover     resized with its aspect until it covers that size; what hangs over is cut off, in training at a random place
    kb_crop   not resized: the 1216x352 pixels at the bottom, in the middle, that all KITTI images have
    native    not resized or cut; all images must be of one size

Images are resized as in the published pipeline (Lanczos), depth by nearest neighbour: an average of sparse depth, or over an
edge, would be the depth of nothing.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from litemono.data.datasets.base import Size
from litemono.data.kitti.velodyne import resize_nearest
from litemono.utils.errors import UserError

FitName = Literal["stretch", "cover", "kb_crop", "native"]
KB_HEIGHT, KB_WIDTH = 352, 1216


class Fit(NamedTuple):
    """How an image of any size becomes a part of a batch."""

    resized: Size
    """Of the whole image before anything is cut off."""
    top: int
    left: int
    size: Size
    """Of the result."""

    def image(self, image: Image.Image) -> np.ndarray:
        """(height, width, 3) uint8 of an RGB image."""
        height, width = self.resized
        if (image.height, image.width) != (height, width):
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        return self._cut(np.asarray(image))

    def depth(self, depth: np.ndarray) -> np.ndarray:
        """(height, width) of depth at the image's original size."""
        if depth.shape != self.resized:
            depth = resize_nearest(depth, *self.resized)
        return self._cut(depth)

    def _cut(self, array: np.ndarray) -> np.ndarray:
        height, width = self.size
        return array[self.top : self.top + height, self.left : self.left + width]


def fit(how: FitName, native: Size, size: Size, place: tuple[float, float] = (0.5, 0.5)) -> Fit:
    """For an image of size `native`. size: --height and --width; place: where `cover` cuts, from 0 (top, left) to 1."""
    if how == "native":
        return Fit(native, 0, 0, native)
    if how == "stretch":
        return Fit(size, 0, 0, size)
    height, width = native
    if how == "kb_crop":
        if height < KB_HEIGHT or width < KB_WIDTH:
            raise UserError(f"--fit kb_crop: needs images of at least {KB_WIDTH}x{KB_HEIGHT}, not {width}x{height}")
        return Fit(native, height - KB_HEIGHT, int((width - KB_WIDTH) / 2), (KB_HEIGHT, KB_WIDTH))
    scale = max(size[0] / height, size[1] / width)
    resized = max(size[0], math.ceil(height * scale - 1e-6)), max(size[1], math.ceil(width * scale - 1e-6))
    top, left = (int(at * (large - small) + 0.5) for at, large, small in zip(place, resized, size, strict=True))
    return Fit(resized, top, left, size)


def batch_size(how: FitName, native: Size, size: Size) -> Size:
    """(height, width) of the images in a batch."""
    return fit(how, native, size).size
