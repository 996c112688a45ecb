"""The 18 corruptions of KITTI-C, made from clean frames: Kong et al. 2023 (RoboDepth), after Hendrycks & Dietterich 2019.

Recipes and numbers are theirs. An image's corruption depends on its name, the corruption and the severity only, so results
repeat; KITTI-C's files were drawn with other random numbers. Images are (H, W, 3) uint8 RGB at the network's size, as
KITTI-C makes them.

Not a library: imagecorruptions (1.1.2, 2020) fails with current numpy, scipy and scikit-image, draws from one global
generator, and shuffles glass blur in Python, 1.5 s an image.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image, ImageOps

from . import layers

Random = np.random.Generator
Recipe = Callable[[np.ndarray, int, Random], np.ndarray]
"""(image (H, W, 3) uint8, severity from 0, generator) -> (H, W, 3), float values from 0 to 255 or uint8."""

SEVERITIES = (1, 2, 3, 4, 5)
SMALLEST = 32  # least height and width of an image, as in imagecorruptions


def unit(image: np.ndarray) -> np.ndarray:
    """In [0, 1], float32."""
    return image.astype(np.float32) / 255


def noisy(x: np.ndarray, deviation: float, random: Random) -> np.ndarray:
    """x in [0, 1] with Gaussian noise, clipped."""
    return (x + deviation * random.standard_normal(x.shape, np.float32)).clip(0, 1)


def shot(x: np.ndarray, photons: float, random: Random) -> np.ndarray:
    """x in [0, 1] counted in photons of 1/photons each, clipped."""
    return (random.poisson(x * photons) / photons).clip(0, 1).astype(np.float32)


# ---------------------------------------------------------------- weather and lighting


def brightness(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    """More value in HSV."""
    x = unit(image)
    value = x.max(axis=2, keepdims=True)
    brighter = (value + (0.1, 0.2, 0.3, 0.4, 0.5)[severity]).clip(0, 1)
    return 255 * np.where(value > 0, x * brighter / np.maximum(value, 1e-6), brighter)


def dark(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    """Gamma 2 and less light, with the noise of few photons."""
    x = unit(image)
    x = (x - x.min()) / max(float(x.max() - x.min()), 1e-6)
    x = x**2 * (0.6, 0.5, 0.4, 0.3, 0.2)[severity]
    x = shot(x, 10 * SHOT[severity], random)
    return 255 * noisy(x, 0.1 * GAUSSIAN[severity], random)


def fog(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    amount, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[severity]
    x, (height, width) = unit(image), image.shape[:2]
    size = 1 << (max(height, width) - 1).bit_length()
    haze = layers.plasma(size, decay, random)[:height, :width, None].astype(np.float32)
    brightest = float(x.max())
    return 255 * (x + amount * haze) * (brightest / (brightest + amount))


def frost(image: np.ndarray, severity: int, random: Random, photos: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Ice on the lens: one of five photos, or ice drawn here where there are none."""
    keep, ice = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity]
    layer = (
        layers.ice_of_photo(photos, image.shape[:2], random) if photos else layers.drawn_ice(image.shape[:2], random)
    )
    return keep * image.astype(np.float32) + ice * layer


def snow(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    mean, deviation, zoom, least, radius, sigma, keep = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[severity]
    x = unit(image)
    flakes = layers.zoomed(mean + deviation * random.standard_normal(x.shape[:2], np.float32), zoom)
    flakes = np.where(flakes < least, 0, flakes).clip(0, 1).astype(np.float32)
    flakes = layers.motion_blurred(flakes, radius, sigma, random.uniform(-135, -45))
    flakes = (np.round(255 * flakes) / 255)[:, :, None]
    grey = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[:, :, None]
    x = keep * x + (1 - keep) * np.maximum(x, 1.5 * grey + 0.5)
    return 255 * (x + flakes + flakes[::-1, ::-1])


def contrast(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    x = image.astype(np.float32)
    mean = x.mean(axis=(0, 1), keepdims=True, dtype=np.float64)
    return (x - mean) * (0.4, 0.3, 0.2, 0.1, 0.05)[severity] + mean


# ---------------------------------------------------------------- sensor and movement


def defocus_blur(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    radius, soft = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity]
    return cv2.filter2D(image.astype(np.float32), -1, layers.disk(radius, soft))


def glass_blur(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    """Blurred, pixels displaced at random, blurred again."""
    sigma, reach, rounds = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[severity]
    x = layers.gaussian(image.astype(np.float32), sigma).astype(np.uint8)
    for _ in range(rounds):
        x = layers.displaced(x, random.integers(-reach, reach, (*x.shape[:2], 2)), reach)
    return layers.gaussian(x.astype(np.float32), sigma)


def motion_blur(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity]
    return layers.motion_blurred(image.astype(np.float32), radius, sigma, random.uniform(-45, 45))


def zoom_blur(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    end, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity]
    x, zooms = image.astype(np.float32), np.arange(1, end, step)
    return (x + sum(layers.zoomed(x, zoom) for zoom in zooms)) / (len(zooms) + 1)


def elastic_transform(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    strength, (height, width) = 250 * (0.05, 0.065, 0.085, 0.1, 0.12)[severity], image.shape[:2]
    moves = []
    for _ in range(2):
        move = random.uniform(-0.005 * height, 0.005 * height, (height, width)).astype(np.float32)
        moves.append(
            strength * layers.gaussian(move, (0.01 * height, 0.01 * width), truncate=3, border=cv2.BORDER_REFLECT)
        )
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x = image.astype(np.float32)
    return cv2.remap(x, columns + moves[0], rows + moves[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def color_quant(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    """5 bits a channel at severity 1, 1 bit at severity 5."""
    return np.asarray(ImageOps.posterize(Image.fromarray(image), 5 - severity))


# ---------------------------------------------------------------- data and processing

GAUSSIAN = (0.08, 0.12, 0.18, 0.26, 0.38)
SHOT = (60, 25, 12, 5, 3)


def gaussian_noise(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    return 255 * noisy(unit(image), GAUSSIAN[severity], random)


def impulse_noise(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    """Single channels black or white."""
    hit = random.random(image.shape, np.float32) <= (0.03, 0.06, 0.09, 0.17, 0.27)[severity]
    return np.where(hit, 255 * random.integers(0, 2, image.shape, np.uint8), image)


def shot_noise(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    return 255 * shot(unit(image), SHOT[severity], random)


def iso_noise(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    return 255 * noisy(shot(unit(image), 25, random), 0.7 * GAUSSIAN[severity], random)


def pixelate(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    share, (height, width) = (0.6, 0.5, 0.4, 0.3, 0.25)[severity], image.shape[:2]
    small = Image.fromarray(image).resize((int(width * share), int(height * share)), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST))


def jpeg_compression(image: np.ndarray, severity: int, random: Random) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=(25, 18, 15, 10, 7)[severity])
    return np.asarray(Image.open(file))


CORRUPTIONS: dict[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (
        *(brightness, dark, fog, frost, snow, contrast),
        *(defocus_blur, glass_blur, motion_blur, zoom_blur, elastic_transform, color_quant),
        *(gaussian_noise, impulse_noise, shot_noise, iso_noise, pixelate, jpeg_compression),
    )
}
"""In the order of RoboDepth's table."""


def corrupted(
    image: np.ndarray, name: str, severity: int, key: str, frost_photos: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> the same, corrupted; the same arguments give the same pixels.

    name: of CORRUPTIONS; severity: 1 to 5; key: what tells the image from others, such as its line in the split;
    frost_photos: (h, w, 3) uint8 RGB.
    """
    random = np.random.default_rng([zlib.crc32(key.encode()), list(CORRUPTIONS).index(name), severity])
    if name == "frost":
        values = frost(image, severity - 1, random, frost_photos)
    else:
        values = CORRUPTIONS[name](image, severity - 1, random)
    return values if values.dtype == np.uint8 else values.clip(0, 255).astype(np.uint8)
