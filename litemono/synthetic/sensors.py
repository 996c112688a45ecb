"""What the rendered car measures in one frame: pictures, exact depth, cars in view, the scan."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from litemono.synthetic.calibration import CAMERA_OFFSET, scanner_in_camera
from litemono.synthetic.render import Camera, camera_windows, cast, published_camera, shade, sweep_windows
from litemono.synthetic.settings import Settings
from litemono.synthetic.street import Street
from litemono.synthetic.textures import ID

SAMPLES = 2  # rays per pixel side
BEAMS = np.radians(np.linspace(2.0, -24.9, 64))
SWEEP = 900  # azimuth steps of a full turn
SCAN_RANGE, SCAN_NOISE, SCAN_LOSS = 90.0, 0.02, 0.08  # metres, metres, share of returns


@lru_cache(maxsize=4)
def street(settings: Settings, number: int) -> Street:
    """The street of drive `number`, counted from 0."""
    return Street((settings.seed, number), settings.frames_per_drive)


def camera_pose(settings: Settings, number: int, frame: int, side: str = "l") -> np.ndarray:
    """T_world_cam (4, 4)."""
    pose = street(settings, number).camera(frame)
    pose[:3, 3] += pose[:3, 0] * (CAMERA_OFFSET["l"] - CAMERA_OFFSET[side])
    return pose


@lru_cache(maxsize=2)
def _camera_rays(camera: Camera, samples: int) -> np.ndarray:
    return camera.rays(samples)


def _look(settings: Settings, number: int, frame: int, side: str, samples: int):
    """World rays (R, C, 3) of a frame, their hits, and what was there to hit."""
    camera, pose = published_camera(settings.height, settings.width), camera_pose(settings, number, frame, side)
    objects = street(settings, number).objects(frame)
    rays = _camera_rays(camera, samples) @ pose[:3, :3].T.astype(np.float32)
    return pose[:3, 3], rays, cast(pose[:3, 3], rays, objects, camera_windows(objects, pose, camera, samples)), objects


def image(settings: Settings, number: int, frame: int, side: str = "l") -> np.ndarray:
    """The picture of a frame, uint8 (H, W, 3)."""
    origin, rays, hits, objects = _look(settings, number, frame, side, SAMPLES)
    camera = published_camera(settings.height, settings.width)
    pixel = 2 / ((camera.fx + camera.fy) * SAMPLES)
    colour = shade(street(settings, number), objects, origin, rays, hits, pixel)
    shape = (settings.height, SAMPLES, settings.width, SAMPLES, 3)
    return np.round(colour.reshape(shape).mean(axis=(1, 3)) * 255).astype(np.uint8)


def exact_depth(settings: Settings, number: int, frame: int, side: str = "l") -> np.ndarray:
    """Depth (camera z) at the pixel centres, float32 (H, W) metres, inf in the sky."""
    return depth_and_cars(settings, number, frame, side)[0]


def depth_and_cars(settings: Settings, number: int, frame: int, side: str = "l") -> tuple[np.ndarray, np.ndarray]:
    """Exact depth, and bool (H, W) where a car is seen."""
    _, _, hits, objects = _look(settings, number, frame, side, 1)
    is_car = np.isin(objects.texture[:, 0], [ID[name] for name in ("car_side", "car_glass")])
    return hits.distance, (hits.what >= 0) & is_car[np.maximum(hits.what, 0)]


@lru_cache(maxsize=1)
def _beam_rays() -> np.ndarray:
    """(64, SWEEP, 3) unit vectors in the scanner's frame, from azimuth +pi clockwise."""
    azimuth = np.pi - 2 * np.pi * (np.arange(SWEEP) + 0.5) / SWEEP
    level = np.cos(BEAMS)[:, None]
    x, y = level * np.cos(azimuth), level * np.sin(azimuth)
    return np.stack([x, y, np.broadcast_to(np.sin(BEAMS)[:, None], x.shape)], axis=-1)


def scan(settings: Settings, number: int, frame: int) -> np.ndarray:
    """The 64-beam scan of a frame, float32 (N, 4): x, y, z in the scanner's frame, reflectance."""
    pose = camera_pose(settings, number, frame) @ scanner_in_camera()
    objects = street(settings, number).objects(frame)
    rays = _beam_rays() @ pose[:3, :3].T
    hits = cast(pose[:3, 3], rays.astype(np.float32), objects, sweep_windows(objects, pose, SWEEP))
    rng = np.random.default_rng((settings.seed, number, frame))
    measured = hits.distance + SCAN_NOISE * rng.standard_normal(hits.distance.shape)
    seen = (measured < SCAN_RANGE) & (rng.random(measured.shape) > SCAN_LOSS + measured / 400)
    points = (_beam_rays() * np.where(seen, measured, 0)[..., None])[seen]
    reflectance = np.where(hits.what < 0, 0.25, 0.2 + 0.6 * (hits.what * 0.618 % 1))[seen]
    return np.column_stack([points, reflectance]).astype("<f4")
