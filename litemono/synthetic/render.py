"""Ray casting of the street: what each ray meets, how far away, and which colour it sees. Plain numpy, vectorised."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from litemono.synthetic.street import PAVEMENT, ROAD, Objects, Street
from litemono.synthetic.textures import ID, SIZE, lookup

SKY, GROUND = -2, -1
SUN = np.array([0.45, -0.75, -0.48]) / np.linalg.norm([0.45, -0.75, -0.48])
HAZE = np.array([0.78, 0.84, 0.92], np.float32)
NEAR = 0.05


class Hits(NamedTuple):
    distance: np.ndarray  # (R, C) in units of the ray's own length, inf where there is only sky
    what: np.ndarray  # (R, C) object number, GROUND or SKY


class Camera(NamedTuple):
    """A pinhole camera. Pixel centres have whole coordinates, counted from 0."""

    height: int
    width: int
    fx: float
    fy: float
    cx: float
    cy: float

    def rays(self, samples: int) -> np.ndarray:
        """(samples H, samples W, 3) float32 directions with z = 1, samples x samples of them inside each pixel."""
        u = (np.arange(self.width * samples) + 0.5) / samples - 0.5
        v = (np.arange(self.height * samples) + 0.5) / samples - 0.5
        x, y = np.meshgrid((u - self.cx) / self.fx, (v - self.cy) / self.fy)
        return np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)


def published_camera(height: int, width: int) -> Camera:
    """The camera for which the published normalised K (0.58 W, 1.92 H, centre) is exactly true."""
    return Camera(height, width, 0.58 * width, 1.92 * height, 0.5 * width, 0.5 * height)


def camera_windows(
    objects: Objects, pose: np.ndarray, camera: Camera, samples: int
) -> list[tuple[slice, slice] | None]:
    """For each object, rows and columns of the ray grid that can meet it; None where none can."""
    return [_rectangle(corners, camera, samples) for corners in _to_camera(_corners(objects), pose)]


def sweep_windows(objects: Objects, pose: np.ndarray, columns: int) -> list[tuple[slice, slice] | None]:
    """The same for a full turn of a scanner (x forward, y left), whose column k looks to azimuth pi - 2 pi (k+0.5)/columns."""
    windows: list[tuple[slice, slice] | None] = []
    for corners in _to_camera(_corners(objects), pose):
        middle = corners[:, :2].mean(axis=0)
        away, radius = np.hypot(*middle), np.hypot(*(corners[:, :2] - middle).T).max()
        azimuth = np.arctan2(middle[1], middle[0])
        reach = np.arcsin(radius / away) if away > radius else np.pi
        first, last = azimuth + reach, azimuth - reach
        if first > np.pi or last < -np.pi:
            windows.append((slice(None), slice(None)))
            continue
        left, right = ((np.pi - angle) / (2 * np.pi) * columns for angle in (first, last))
        windows.append((slice(None), slice(max(0, int(left) - 1), int(right) + 2)))
    return windows


def cast(origin: np.ndarray, rays: np.ndarray, objects: Objects, windows: list[tuple[slice, slice] | None]) -> Hits:
    """The nearest thing on each ray. origin: (3,) world; rays: (R, C, 3) world, of any length."""
    dx, dy, dz = (np.ascontiguousarray(rays[..., axis], np.float32) for axis in range(3))
    down = np.where(dy > 1e-6, dy, np.nan)
    distance = np.nan_to_num(np.float32(-origin[1]) / down, nan=np.inf).astype(np.float32)
    what = np.where(np.isinf(distance), SKY, GROUND).astype(np.int32)
    sine, cosine = np.sin(objects.yaw), np.cos(objects.yaw)
    offset = (origin - objects.centre).astype(np.float32)
    for number, window in enumerate(windows):
        if window is None:
            continue
        s, c, (ox, oy, oz) = sine[number], cosine[number], offset[number]
        x, y, z = dx[window], dy[window], dz[window]
        local = (x * c - z * s, y, x * s + z * c)
        start = (ox * c - oz * s, oy, ox * s + oz * c)
        meet = _meet_ellipsoid if objects.round[number] else _meet_box
        at = meet(start, local, objects.half[number])
        nearer = at < distance[window]
        distance[window] = np.where(nearer, at, distance[window])
        what[window] = np.where(nearer, number, what[window])
    return Hits(distance, what)


def shade(
    street: Street, objects: Objects, origin: np.ndarray, rays: np.ndarray, hits: Hits, pixel: float
) -> np.ndarray:
    """Colours (R, C, 3) float32 in [0, 1]. `pixel`: angle between neighbouring rays, which picks the texture detail."""
    direction = rays.reshape(-1, 3)
    distance, what = hits.distance.ravel(), hits.what.ravel()
    colour = np.empty((len(what), 3), np.float32)
    for kind, paint in ((what == SKY, _sky), (what == GROUND, _ground), (what >= 0, _surface)):
        here = np.flatnonzero(kind)
        if paint is _sky:
            colour[here] = _sky(direction[here], pixel)
            continue
        at = distance[here, None]
        points = origin.astype(np.float32) + at * direction[here]
        footprint = distance[here] * pixel
        if paint is _ground:
            lit = _ground(street, points, direction[here], footprint)
        else:
            lit = _surface(objects, what[here], points, direction[here], footprint)
        colour[here] = HAZE + (lit - HAZE) * np.exp(-at / 350)
    return np.clip(colour, 0, 1).reshape(*hits.what.shape, 3)


def _meet_box(start, ray, half) -> np.ndarray:
    near, far = np.float32(NEAR), np.float32(np.inf)
    for o, d, h in zip(start, ray, half, strict=True):
        inverse = 1 / (d + np.float32(1e-9))
        middle, reach = -o * inverse, h * np.abs(inverse)
        near, far = np.maximum(near, middle - reach), np.minimum(far, middle + reach)
    return np.where((near <= far) & (near > NEAR), near, np.float32(np.inf))


def _meet_ellipsoid(start, ray, half) -> np.ndarray:
    o = [value / h for value, h in zip(start, half, strict=True)]
    d = [value / h for value, h in zip(ray, half, strict=True)]
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = d[0] * o[0] + d[1] * o[1] + d[2] * o[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1
    root = b * b - a * c
    at = (-b - np.sqrt(np.maximum(root, 0))) / a
    return np.where((root > 0) & (at > NEAR), at, np.float32(np.inf))


def _surface(objects: Objects, number, points, direction, footprint) -> np.ndarray:
    """Colours (N, 3) of points on objects `number` (N,)."""
    half, yaw = objects.half[number], objects.yaw[number]
    sine, cosine = np.sin(yaw), np.cos(yaw)
    away = points - objects.centre[number]
    local = np.stack(
        [away[:, 0] * cosine - away[:, 2] * sine, away[:, 1], away[:, 0] * sine + away[:, 2] * cosine], axis=1
    )
    share = local / half
    is_round = objects.round[number]
    axis = np.abs(share).argmax(axis=1)
    rows = np.arange(len(number))
    face = 2 * axis + (share[rows, axis] > 0)
    normal = np.zeros_like(local)
    normal[rows, axis] = np.sign(share[rows, axis])
    normal[is_round] = (share / half)[is_round]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    across = np.where(axis == 0, local[:, 2] + half[:, 2], local[:, 0] + half[:, 0])
    down = np.where(axis == 1, local[:, 2] + half[:, 2], local[:, 1] - half[:, 1])
    tile = objects.tile[number, face]
    world = np.stack(
        [normal[:, 0] * cosine + normal[:, 2] * sine, normal[:, 1], normal[:, 2] * cosine - normal[:, 0] * sine], 1
    )
    texel = np.sqrt(tile[:, 0] * tile[:, 1]) / SIZE
    level = np.log2(_spread(world, direction, footprint) / texel + 1e-6)
    rgba = lookup(objects.texture[number, face], across / tile[:, 0], down / tile[:, 1], level)
    tinted = rgba[:, :3] * (1 + rgba[:, 3:] * (objects.tint[number] - 1))
    light = 0.62 + 0.5 * np.maximum(world @ SUN.astype(np.float32), 0) - 0.1 * world[:, 1]
    return tinted * light[:, None]


def _spread(normal, direction, footprint) -> np.ndarray:
    """Length on the surface that one ray stands for: geometric mean of across and along the slant."""
    length = np.linalg.norm(direction, axis=1)
    facing = np.abs((normal * direction).sum(axis=1)) / length
    return footprint * length / np.sqrt(np.maximum(facing, 0.02))


def _ground(street: Street, points, direction, footprint) -> np.ndarray:
    x, s = points[:, 0], points[:, 2]
    middle, slope = street.centre_line(s)
    d = ((x - middle) / np.sqrt(1 + slope * slope)).astype(np.float32)
    normal = np.broadcast_to(np.array([0, -1, 0], np.float32), points.shape)
    spread = _spread(normal, direction, footprint)
    away = np.abs(d)
    kind = np.where(away < ROAD, ID["asphalt"], np.where(away < PAVEMENT, ID["pavement"], ID["grass"]))
    tile = np.array([5.0, 3.2, 3.0], np.float32)[np.searchsorted([ROAD, PAVEMENT], away)]
    colour = lookup(kind, x / tile, s / tile, np.log2(spread / (tile / SIZE) + 1e-6))[:, :3]
    patches = lookup(np.full(len(x), ID["asphalt"]), (x + s) / 83, (x - s) / 61, np.log2(spread / (70 / SIZE) + 1e-6))
    colour = colour * (0.45 + 1.5 * patches[:, :1])
    for at, width, dash, white in ((0, 0.16, True, 0.85), (3.9, 0.13, False, 0.8), (ROAD, 0.3, False, 0.62)):
        cover = _stripe(away - at, width, footprint)
        if dash:
            cover = cover * _stripe(s % 6 - 1.5, 3.0, spread * 1.5)
        worn = white * (0.6 + 1.1 * colour[:, :1])
        colour = colour + cover[:, None] * (np.minimum(worn, 1) - colour)
    return colour * np.float32(1.08)


def _stripe(offset, width, footprint) -> np.ndarray:
    """Share of a footprint covered by a stripe of `width` whose middle is `offset` away."""
    left = np.maximum(offset - footprint / 2, -width / 2)
    right = np.minimum(offset + footprint / 2, width / 2)
    return (np.maximum(right - left, 0) / footprint).astype(np.float32)


def _sky(direction, pixel: float) -> np.ndarray:
    length = np.linalg.norm(direction, axis=1)
    up = np.clip(-direction[:, 1] / length, 0, 1)
    blue = HAZE + (np.array([0.35, 0.55, 0.85], np.float32) - HAZE) * np.minimum(up * 2.2, 1)[:, None]
    bearing = np.arctan2(direction[:, 0], direction[:, 2])
    level = np.full(len(up), np.log2(pixel * SIZE / 1.5), np.float32)
    clouds = lookup(np.full(len(up), ID["clouds"]), bearing / 1.5, up / 0.6, level)[:, :1]
    return blue + (1 - blue) * clouds * 0.9


def _corners(objects: Objects) -> np.ndarray:
    """World corners (N, 8, 3)."""
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    local = objects.half[:, None] * signs
    s, c = np.sin(objects.yaw)[:, None], np.cos(objects.yaw)[:, None]
    turned = (local[..., 0] * c + local[..., 2] * s, local[..., 1], local[..., 2] * c - local[..., 0] * s)
    return objects.centre[:, None] + np.stack(turned, axis=-1)


def _to_camera(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    return (points - pose[:3, 3]) @ pose[:3, :3]


EDGES = np.array([(a, b) for a in range(8) for b in range(8) if a < b and (a ^ b) in (1, 2, 4)])


def _rectangle(corners: np.ndarray, camera: Camera, samples: int) -> tuple[slice, slice] | None:
    """Bounding rows and columns of a box with camera-frame corners (8, 3), cut at the near plane."""
    z = corners[:, 2]
    if z.max() < NEAR:
        return None
    points = corners[z >= NEAR]
    if z.min() < NEAR:
        a, b = corners[EDGES[:, 0]], corners[EDGES[:, 1]]
        a, b = (ends[(a[:, 2] < NEAR) != (b[:, 2] < NEAR)] for ends in (a, b))
        share = ((NEAR - a[:, 2]) / (b[:, 2] - a[:, 2]))[:, None]
        points = np.concatenate([points, a + share * (b - a)])
    u = (points[:, 0] / points[:, 2] * camera.fx + camera.cx + 0.5) * samples
    v = (points[:, 1] / points[:, 2] * camera.fy + camera.cy + 0.5) * samples
    left, right = max(0, int(u.min()) - 1), min(camera.width * samples, int(u.max()) + 2)
    top, bottom = max(0, int(v.min()) - 1), min(camera.height * samples, int(v.max()) + 2)
    return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None
