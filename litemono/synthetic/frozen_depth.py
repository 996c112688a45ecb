"""Depth to refine on the rendered street: exact depth with the typical errors of a network of another domain."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.synthetic.writer import DEPTH_UNITS, MASKS, RenderedWorld, drive_name
from litemono.utils.atomic_files import replacing

FAR = 80.0  # metres that it gives the sky
CURVE = 0.8  # exponent: what is far away comes out too near
SCALE, SCALE_NOISE = 1.3, 0.03  # of all images, and how much that differs between images
TILT = 0.2  # the left side comes out this much nearer, the right this much further away
CARS = 1.2  # cars come out this much further away
BLUR = 1.5  # pixels


def with_typical_errors(metres: np.ndarray, cars: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32: depth with all errors above. metres: (H, W), 0 in the sky; cars: (H, W) bool."""
    depth = np.where(metres > 0, metres, FAR) * np.where(cars, CARS, 1)
    across = np.linspace(1 - TILT, 1 + TILT, depth.shape[1])
    scale = SCALE * (1 + SCALE_NOISE * rng.standard_normal())
    return cv2.GaussianBlur((depth**CURVE * across * scale).astype(np.float32), (0, 0), BLUR)


def write_frozen_depth(world: RenderedWorld) -> None:
    """16-bit PNGs, times 256, in frozen/ below the world, under the paths of the images; existing ones are kept."""
    settings = world.settings
    for number in range(settings.drives):
        for frame in range(settings.frames_per_drive):
            image = KITTI_RAW.frame_path(world.folder, drive_name(number), frame, "l", ".png").relative_to(world.folder)
            target = world.folder / "frozen" / image
            if target.exists():
                continue
            metres = exact_depth(world, number, frame)
            cars = np.asarray(Image.open(world.folder / MASKS / image)) > 0
            frozen = with_typical_errors(metres, cars, np.random.default_rng((settings.seed, number, frame)))
            with replacing(target) as file:
                Image.fromarray(np.round(frozen * DEPTH_UNITS).clip(1, 65535).astype(np.uint16)).save(
                    file, format="PNG"
                )


def exact_depth(world: RenderedWorld, number: int, frame: int) -> np.ndarray:
    """(H, W) float32 metres, 0 in the sky."""
    path = world.drive(number) / "proj_depth" / "groundtruth" / "image_02" / f"{frame:010d}.png"
    return np.asarray(Image.open(path)).astype(np.float32) / DEPTH_UNITS
