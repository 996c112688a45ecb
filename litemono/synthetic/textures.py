"""Procedural pictures for the rendered street: asphalt, facades, car sides, leaves. Drawn once, looked up by mip level.

A texture is a periodic RGBA tile of SIZE x SIZE; alpha says how much an object's own tint colours that texel (a wall takes
the paint, a window does not).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SIZE = 256
NAMES = (
    "asphalt", "pavement", "grass", "clouds", "leaves", "bark", "concrete", "planks", "roof",
    "plaster", "bricks", "panels", "shop", "car_side", "car_front", "car_rear", "car_glass", "car_top",
)  # fmt: skip
ID = {name: number for number, name in enumerate(NAMES)}


def fractal(rng: np.random.Generator, first: int = 4, gain: float = 0.75) -> np.ndarray:
    """Periodic multi-octave value noise (SIZE, SIZE), mean 0, standard deviation 1; octaves of first, 2 first, ... cells."""
    total = np.zeros((SIZE, SIZE))
    cells, amplitude = first, 1.0
    while cells <= SIZE:
        lattice = rng.standard_normal((cells, cells))
        at = np.arange(SIZE) * cells / SIZE
        low = at.astype(int)
        part = at - low
        part = part * part * (3 - 2 * part)
        high = (low + 1) % cells
        rows = lattice[low] * (1 - part)[:, None] + lattice[high] * part[:, None]
        total += amplitude * (rows[:, low] * (1 - part) + rows[:, high] * part)
        cells, amplitude = cells * 2, amplitude * gain
    return (total - total.mean()) / total.std()


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Texel centres (u to the right, v down), each (SIZE, SIZE) in [0, 1)."""
    axis = (np.arange(SIZE) + 0.5) / SIZE
    v, u = np.meshgrid(axis, axis, indexing="ij")
    return u, v


def _tile(colour: tuple[float, float, float], brightness: np.ndarray, tint: float = 1.0) -> np.ndarray:
    """RGBA tile of one colour times (SIZE, SIZE) brightness."""
    rgb = np.array(colour) * brightness[..., None]
    return np.concatenate([rgb, np.full((SIZE, SIZE, 1), tint)], axis=-1)


def _paint(tile: np.ndarray, where: np.ndarray, colour: tuple[float, float, float] | np.ndarray) -> None:
    """Overwrite the texels `where` with an untinted colour (3,) or picture (SIZE, SIZE, 3)."""
    tile[where, :3] = np.broadcast_to(np.asarray(colour), (SIZE, SIZE, 3))[where]
    tile[where, 3] = 0.0


def _ground(rng: np.random.Generator) -> dict[str, np.ndarray]:
    u, v = _grid()
    asphalt = 0.36 + 0.055 * fractal(rng, 4, 0.9) - 0.12 * (fractal(rng, 2, 0.5) > 1.7)
    slabs = 0.55 + 0.05 * fractal(rng, 4, 0.9) + 0.12 * (rng.random((8, 8)).repeat(32, 0).repeat(32, 1) - 0.5)
    slabs -= 0.22 * (((u * 8) % 1 < 0.07) | ((v * 8) % 1 < 0.07))
    grass = 0.5 + 0.13 * fractal(rng, 4, 0.95)
    return {
        "asphalt": _tile((1.0, 1.0, 1.03), asphalt, 1.0),
        "pavement": _tile((1.0, 0.96, 0.9), slabs),
        "grass": _tile((0.62, 0.86, 0.38), grass),
        "clouds": _tile((1.0, 1.0, 1.0), np.clip(0.5 + 0.35 * fractal(rng, 2, 0.6), 0, 1)),
    }


def _plain(rng: np.random.Generator) -> dict[str, np.ndarray]:
    u, v = _grid()
    planks = 0.6 + 0.1 * fractal(rng, 4, 0.9) + 0.25 * (rng.random(16).repeat(16)[None] - 0.5)
    planks = planks * np.where((u * 16) % 1 < 0.12, 0.35, 1.0)
    roof = (0.6 + 0.1 * fractal(rng, 4, 0.9)) * (0.65 + 0.35 * ((v * 16) % 1))
    bark = 0.5 + 0.12 * fractal(rng, 4, 0.95) + 0.1 * np.sin(u * 2 * np.pi * 12 + fractal(rng, 2))
    return {
        "leaves": _tile((0.62, 0.8, 0.36), np.clip(0.55 + 0.24 * fractal(rng, 8, 0.95), 0.08, 1.1)),
        "bark": _tile((1.0, 0.86, 0.7), bark),
        "concrete": _tile((1.0, 0.98, 0.95), 0.62 + 0.09 * fractal(rng, 2, 0.9)),
        "planks": _tile((1.0, 0.84, 0.62), planks),
        "roof": _tile((1.0, 0.6, 0.48), roof),
    }


def _facade(rng: np.random.Generator, wall: np.ndarray, columns: int, width: float, door: bool = False) -> np.ndarray:
    """Three storeys of windows in a wall of (SIZE, SIZE) brightness; `width` is the share of a column that is window."""
    u, v = _grid()
    tile = _tile((1.0, 1.0, 1.0), wall)
    column, storey = (u * columns).astype(int), (v * 3).astype(int)
    x, y = np.abs(u * columns % 1 - 0.5) * 2, np.abs(v * 3 % 1 - 0.46) * 2
    y = np.where(door & (storey == 2), np.abs(v * 3 % 1 - 0.6) * 1.5, y)
    glass = rng.uniform(0.12, 0.5, (3, columns))[storey, column] + 0.07 * fractal(rng, 8, 0.8)
    curtain = (rng.random((3, columns)) < 0.4)[storey, column] & (v * 3 % 1 < rng.uniform(0.3, 0.5))
    picture = np.clip(glass + 0.35 * curtain, 0.05, 1)[..., None] * np.array([0.85, 0.95, 1.1])
    _paint(tile, (x < width + 0.09) & (y < 0.62), (0.86, 0.85, 0.8))
    _paint(tile, (x < width) & (y < 0.55), picture)
    _paint(tile, (x < 0.05) & (y < 0.55), (0.8, 0.8, 0.76))
    tile[..., :3] *= np.where(v * 3 % 1 > 0.965, 0.7, 1.0)[..., None]
    return tile


def _walls(rng: np.random.Generator) -> dict[str, np.ndarray]:
    u, v = _grid()
    course = (v * 64).astype(int)
    joint = ((v * 64) % 1 < 0.25) | ((u * 32 + 0.5 * (course % 2)) % 1 < 0.15)
    stain = 0.09 * fractal(rng, 2, 0.85)
    panel = 0.1 * (rng.random((4, 8)).repeat(64, 0).repeat(32, 1) - 0.5)
    seam = ((u * 8) % 1 < 0.05) | ((v * 4) % 1 < 0.04)
    return {
        "plaster": _facade(rng, 0.78 + stain, 3, 0.42),
        "bricks": _facade(rng, np.where(joint, 0.86, 0.66) + 0.08 * fractal(rng, 4, 0.95), 4, 0.38),
        "panels": _facade(rng, np.where(seam, 0.45, 0.74) + panel + 0.06 * fractal(rng, 4, 0.9), 4, 0.62),
        "shop": _facade(rng, 0.7 + 0.09 * fractal(rng, 4, 0.9), 3, 0.5, door=True),
    }


def _cars(rng: np.random.Generator) -> dict[str, np.ndarray]:
    u, v = _grid()
    paint = 0.92 - 0.3 * np.abs(v - 0.35) + 0.035 * fractal(rng, 4, 0.9)
    side = _tile(
        (1, 1, 1), paint * np.where(np.abs(u - 0.5) < 0.006, 0.4, 1) * np.where(np.abs(v - 0.45) < 0.02, 0.7, 1)
    )
    _paint(side, v > 0.8, (0.07, 0.07, 0.08))
    for hub in (0.2, 0.8):
        radius = np.hypot((u - hub) * 4.3, (v - 0.66) * 0.95)
        _paint(side, radius < 0.36, (0.05, 0.05, 0.055))
        spokes = 0.5 + 0.3 * np.cos(5 * np.arctan2((v - 0.66) * 0.95, (u - hub) * 4.3))
        _paint(side, radius < 0.22, spokes[..., None] * np.ones(3))
    front, rear = _tile((1, 1, 1), paint), _tile((1, 1, 1), paint)
    edge = np.abs(u - 0.5)
    for end, lamp in ((front, (0.95, 0.95, 0.85)), (rear, (0.75, 0.06, 0.05))):
        _paint(end, v > 0.8, (0.06, 0.06, 0.07))
        _paint(end, (edge > 0.33) & (edge < 0.47) & (np.abs(v - 0.32) < 0.1), lamp)
        _paint(end, (edge < 0.15) & (np.abs(v - 0.6) < 0.07), (0.9, 0.9, 0.86))
    _paint(front, (edge < 0.28) & (np.abs(v - 0.35) < 0.1) & ((v * 40) % 1 < 0.6), (0.1, 0.1, 0.1))
    glass = _tile((1, 1, 1), paint)
    shine = np.clip(0.2 + 0.25 * (u - v) + 0.09 * fractal(rng, 4, 0.8), 0.05, 0.6)
    _paint(
        glass, (np.abs(v - 0.5) < 0.38) & (edge < 0.46) & (edge > 0.03), shine[..., None] * np.array([0.8, 0.95, 1.05])
    )
    return {
        "car_side": side,
        "car_front": front,
        "car_rear": rear,
        "car_glass": glass,
        "car_top": _tile((1, 1, 1), paint),
    }


@lru_cache(maxsize=1)
def atlas() -> list[np.ndarray]:
    """Mip levels of every texture: level l is (len(NAMES), SIZE/2^l, SIZE/2^l, 4) float32, down to one texel."""
    rng = np.random.default_rng(20230618)
    drawn = {**_ground(rng), **_plain(rng), **_walls(rng), **_cars(rng)}
    levels: list[np.ndarray] = [np.stack([drawn[name] for name in NAMES]).astype(np.float32)]
    while levels[-1].shape[1] > 1:
        last = levels[-1]
        levels.append((last[:, ::2, ::2] + last[:, 1::2, ::2] + last[:, ::2, 1::2] + last[:, 1::2, 1::2]) / 4)
    return levels


def lookup(texture: np.ndarray, u: np.ndarray, v: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Trilinear texels (N, 4) of textures (N,) at tile coordinates u, v (N,), which repeat with period 1."""
    levels = atlas()
    level = np.clip(level, 0, len(levels) - 1.001)
    near = level.astype(np.int32)
    share = (level - near).astype(np.float32)[:, None]
    result = np.empty((len(u), 4), np.float32)
    for number in np.unique(near):
        here = np.flatnonzero(near == number)
        fine = _bilinear(levels[number], texture[here], u[here], v[here])
        coarse = _bilinear(levels[number + 1], texture[here], u[here], v[here])
        result[here] = fine + (coarse - fine) * share[here]
    return result


def _bilinear(pictures: np.ndarray, texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    size = pictures.shape[1]
    flat = pictures.reshape(-1, 4)
    x, y = u * size - 0.5, v * size - 0.5
    left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    fx, fy = (x - left).astype(np.float32)[:, None], (y - top).astype(np.float32)[:, None]
    left, right = left % size, (left + 1) % size
    base = texture * size
    upper, lower = (base + top % size) * size, (base + (top + 1) % size) * size
    first = flat[upper + left] * (1 - fx) + flat[upper + right] * fx
    second = flat[lower + left] * (1 - fx) + flat[lower + right] * fx
    return first + (second - first) * fy
