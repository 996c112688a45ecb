"""KITTI-C's corruptions against their recipes written out with scipy and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from skimage import color, filters

from evaluate.robustness import layers
from evaluate.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupted

SIZE = (96, 160)


def street(seed: int = 0) -> np.ndarray:
    """Smooth shapes with edges, (96, 160, 3) uint8."""
    draw = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(draw.random((*SIZE, 3)), (8, 8, 0))
    blocks = np.roll(np.kron(draw.random((6, 10, 3)), np.ones((16, 16, 1))), (3, 5), (0, 1))
    x = (smooth - smooth.min()) / np.ptp(smooth)
    return np.uint8(255 * (0.6 * x + 0.4 * blocks))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_it_repeats_differs_by_image_and_grows_with_severity(name):
    image = street()
    results = [corrupted(image, name, severity, "drive 7 l") for severity in SEVERITIES]
    assert all(result.shape == image.shape and result.dtype == np.uint8 for result in results)
    assert np.array_equal(results[2], corrupted(image.copy(), name, 3, "drive 7 l"))
    assert 0.2 < difference(image, results[0]) < difference(image, results[4])
    other = corrupted(image, name, 3, "drive 8 l")
    random = name not in (
        "brightness",
        "contrast",
        "defocus_blur",
        "zoom_blur",
        "color_quant",
        "pixelate",
        "jpeg_compression",
    )
    assert (difference(results[2], other) > 0) == random


def test_brightness_is_more_value_in_hsv():
    image = street()
    image[:2] = 0  # black has no hue
    hsv = color.rgb2hsv(image)
    hsv[:, :, 2] = (hsv[:, :, 2] + 0.3).clip(0, 1)
    expected = np.uint8((255 * color.hsv2rgb(hsv)).clip(0, 255))
    assert np.abs(corrupted(image, "brightness", 3, "").astype(int) - expected).max() <= 1  # float32, rounded down


def test_contrast_moves_each_channel_to_its_mean():
    image = street()
    mean = image.mean(axis=(0, 1))
    assert np.array_equal(corrupted(image, "contrast", 2, ""), np.uint8((image - mean) * np.float64(0.3) + mean))


def test_zoom_and_gaussian_are_those_of_scipy():
    x = street().astype(np.float32)
    height, width = (math.ceil(length / 1.13) for length in SIZE)
    top, left = (SIZE[0] - height) // 2, (SIZE[1] - width) // 2
    part = x[top : top + height, left : left + width].astype(float)
    expected = ndimage.zoom(part, (1.13, 1.13, 1), order=1)[: SIZE[0], : SIZE[1]]
    assert difference(layers.zoomed(x, 1.13), expected) < 0.2  # OpenCV interpolates in steps of 1/32 pixel
    blurred = filters.gaussian(x, sigma=1.5, channel_axis=-1, preserve_range=True)
    assert np.abs(layers.gaussian(x, 1.5) - blurred).max() < 0.01


@pytest.mark.parametrize("angle", [-120, -45, 0, 30])
def test_motion_blur_is_a_weighted_sum_of_shifted_images(angle):
    x = street().astype(np.float32)
    weights = np.exp(-(np.arange(21) ** 2) / (2 * 4.0**2))
    padded = np.pad(x, ((21, 21), (21, 21), (0, 0)), mode="edge")
    expected = np.zeros_like(x)
    for i, weight in enumerate(weights / weights.sum()):
        down = -math.ceil(i * math.sin(math.radians(angle)) - 0.5)
        right = -math.ceil(i * math.cos(math.radians(angle)) - 0.5)
        expected += weight * padded[21 - down : 21 - down + SIZE[0], 21 - right : 21 - right + SIZE[1]]
    assert np.abs(layers.motion_blurred(x, 10, 4, angle) - expected).max() < 0.05  # by Fourier transform in float32


@pytest.mark.parametrize("reach", [1, 3])
def test_displaced_pixels_are_copied_one_after_the_other(reach):
    x, draw = street()[:24, :30].copy(), np.random.default_rng(reach)
    moves = draw.integers(-reach, reach, (24, 30, 2))
    expected = x.copy()
    for row in range(24 - reach, reach, -1):
        for column in range(30 - reach, reach, -1):
            right, down = moves[row, column]
            expected[row, column] = expected[row + down, column + right]
    assert np.array_equal(layers.displaced(x, moves, reach), expected)


def test_noise_has_the_strength_of_its_recipe():
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = corrupted(grey, "gaussian_noise", 2, "") - 127.5
    assert noise.std() == pytest.approx(0.12 * 255, rel=0.02)  # 120,000 draws
    assert corrupted(grey, "shot_noise", 2, "").std() == pytest.approx(255 * math.sqrt(128 / 255 / 25), rel=0.05)
    impulses = corrupted(grey, "impulse_noise", 4, "")
    assert np.mean(impulses != 128) == pytest.approx(0.17, rel=0.03)
    assert np.mean(impulses == 255) == pytest.approx(np.mean(impulses == 0), rel=0.05)
    dark = corrupted(street(), "dark", 1, "").astype(float) / 255
    assert dark.max() < 0.75 and dark.mean() < 0.6 * (street() / 255).mean()


def test_frost_lays_a_photo_over_the_image():
    image, photo = street(), np.full((50, 40, 3), (10, 100, 200), np.uint8)
    expected = np.uint8((0.7 * image + 0.7 * photo[0, 0].astype(float)).clip(0, 255))
    assert (
        np.abs(corrupted(image, "frost", 3, "", [photo]).astype(int) - expected).max() <= 1
    )  # rounded down in float32


def test_drawn_ice_is_as_bright_as_the_photos():
    ice = layers.drawn_ice((192, 640), np.random.default_rng(0))
    assert ice.mean() == pytest.approx(164, abs=5) and ice.std() == pytest.approx(33, abs=5)
