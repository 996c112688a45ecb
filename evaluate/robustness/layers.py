"""What corruptions are made of: fractal haze, ice, blurs along a line or through a lens, displaced pixels.

Images are (H, W) or (H, W, 3) float32. Hendrycks & Dietterich 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

Random = np.random.Generator


def gaussian(
    x: np.ndarray, sigma: float | tuple[float, float], truncate: float = 4, border: int = cv2.BORDER_REPLICATE
) -> np.ndarray:
    """Gaussian blur; sigma: of both axes, or of (rows, columns), in pixels."""
    rows, columns = (sigma, sigma) if isinstance(sigma, int | float) else sigma
    size = tuple(2 * int(truncate * s + 0.5) + 1 for s in (columns, rows))
    return cv2.GaussianBlur(x, size, sigmaX=columns, sigmaY=rows, borderType=border)


def plasma(size: int, decay: float, random: Random) -> np.ndarray:
    """(size, size) heights in [0, 1] by the diamond-square algorithm on a torus; size: a power of two.

    decay: how much smaller the random part is at each halving of the grid.
    """
    heights = np.zeros((size, size))
    step, spread = size, 1e4  # only the ratio of spreads matters: the result is scaled to [0, 1]

    def settle(sums: np.ndarray) -> np.ndarray:
        """The mean of four corners, and a random part."""
        return sums / 4 + random.uniform(-spread, spread, sums.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = settle(pairs + np.roll(pairs, -1, axis=1))
        middles = heights[half::step, half::step]
        upright = middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        heights[::step, half::step] = settle(upright)
        level = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        heights[half::step, ::step] = settle(level)
        step, spread = half, spread / decay
    heights -= heights.min()
    return heights / heights.max()


def zoomed(x: np.ndarray, factor: float) -> np.ndarray:
    """The middle 1/factor of an image, enlarged to its size; bilinear, from corner to corner."""
    height, width = x.shape[:2]
    inner = [math.ceil(length / factor) for length in (height, width)]
    top, left = ((length - part) // 2 for length, part in zip((height, width), inner, strict=True))
    steps = [(part - 1) / max(round(part * factor) - 1, 1) for part in inner]  # input pixels for an output pixel
    back = np.array([[steps[1], 0, left], [0, steps[0], top]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(x, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def motion_blurred(x: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """Smeared along `angle` (degrees) for 2 radius + 1 pixels, with half a Gaussian's weights; borders repeated."""
    count, direction = 2 * radius + 1, math.radians(angle)
    weights = np.exp(-(np.arange(count) ** 2) / (2 * sigma**2))
    kernel = np.zeros((2 * count + 1, 2 * count + 1), np.float32)
    for i, weight in enumerate(weights / weights.sum()):
        down, right = -math.ceil(i * math.sin(direction) - 0.5), -math.ceil(i * math.cos(direction) - 0.5)
        kernel[count - down, count - right] += weight
    return cv2.filter2D(x, -1, kernel, borderType=cv2.BORDER_REPLICATE)


def disk(radius: int, soft: float) -> np.ndarray:
    """The kernel of a lens out of focus: a disk, its edge blurred by a Gaussian of `soft` pixels."""
    reach = max(8, radius)
    line = np.arange(-reach, reach + 1)
    inside = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float32)
    size = (3, 3) if radius <= 8 else (5, 5)
    return cv2.GaussianBlur(inside / inside.sum(), size, sigmaX=soft)


def displaced(x: np.ndarray, moves: np.ndarray, reach: int) -> np.ndarray:
    """Each pixel replaced by one near it: from the last pixel to the first, so that copies are copied on.

    moves: (H, W, 2) integers (right, down) in [-reach, reach). A margin of `reach` pixels stays as it is (on the upper and
    left side one more). The recipe's swap of two pixels comes out as a copy, and KITTI-C has the copies.
    """
    height, width = x.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    source = index.copy()
    inner = np.s_[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1]
    source[inner] = (index + moves[..., 1] * width + moves[..., 0])[inner]
    moved = np.zeros((height, width), bool)
    moved[inner] = True
    sources, replaced, places = source.ravel(), moved.ravel(), index.ravel()
    # A source further on has been replaced already: its own source counts. Follow these chains, doubling the reach.
    onward = np.where(replaced & replaced[sources] & (sources > places), sources, places)
    while not np.array_equal(longer := onward[onward], onward):
        onward = longer
    return x.reshape(height * width, -1)[sources[onward]].reshape(x.shape)


def ice_of_photo(photos: Sequence[np.ndarray], size: tuple[int, int], random: Random) -> np.ndarray:
    """A random part of one of the photos, (h, w, 3) uint8, enlarged until it covers (height, width)."""
    photo = photos[int(random.integers(min(len(photos), 5)))]  # the recipe never draws its sixth
    scale = 1.1 * max(1, *(need / has for need, has in zip(size, photo.shape[:2], strict=True)))
    height, width = (math.ceil(length * scale) for length in photo.shape[:2])
    photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC)
    top, left = random.integers(0, height - size[0]), random.integers(0, width - size[1])
    return photo[top : top + size[0], left : left + size[1]].astype(np.float32)


def drawn_ice(size: tuple[int, int], random: Random) -> np.ndarray:
    """(height, width, 3) float32 RGB: needles on patches of frost, as bright and as blue as the photos are on average.

    Mean 164, standard deviation 33.
    """
    height, width = size
    square = 1 << (max(size) - 1).bit_length()
    patches = plasma(square, 1.8, random)[:height, :width].astype(np.float32)
    needles = np.zeros(size, np.float32)
    for angle in random.uniform(0, 180, 6):
        points = (random.random(size, np.float32) < 0.004).astype(np.float32)
        needles += motion_blurred(points, 12, 10, angle)
    ice = 3 * _standard(patches) + _standard(np.minimum(needles, np.quantile(needles, 0.97)))
    blue = np.array([150, 163, 178], np.float32)
    return (blue + 33 * _standard(ice)[:, :, None]).clip(0, 255)


def _standard(x: np.ndarray) -> np.ndarray:
    """Mean 0, standard deviation 1."""
    return (x - x.mean()) / max(float(x.std()), 1e-6)
