"""Rooms with figures in front of them: the picture, the figure's mask and the depth of every pixel, exactly.

A room is a box with furniture, seen by a pinhole camera at eye height. Furniture and figures are upright planes that face the
camera, so each has one depth; floor, ceiling and walls have that of their geometry. The figure casts a shadow, and the camera
changes its exposure and adds noise between the two pictures: what differs from the background is not only the figure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from litemono.synthetic.textures import SIZE, fractal

EYE = 1.4  # metres above the floor
FOCAL = 0.9  # in heights of the picture
HORIZON = 0.45  # its row, in heights of the picture
CLOSEST = 1.6  # metres to a figure
EXPOSURE, NOISE = 0.1, 2.5  # gain 1 -+ EXPOSURE of each picture; standard deviation in 8-bit steps
SHADOW = 0.45  # darkening under a figure
TEXELS_PER_METRE = 64

Colour = np.ndarray  # (3,) in [0, 1]


class Board(NamedTuple):
    """A piece of furniture: an upright rectangle that stands on the floor."""

    x: float  # metres to the right, of its middle
    z: float  # metres ahead
    width: float
    height: float
    colour: Colour
    stripes: float  # per metre; 0: plain


class Room(NamedTuple):
    """A background."""

    half_width: float  # metres from the camera to the side walls
    height: float
    length: float  # metres to the back wall
    colours: np.ndarray  # (4, 3): floor, ceiling, side walls, back wall
    tile: float  # metres
    pictures: np.ndarray  # (N, 7): frames on the back wall, x, y, half sizes, colour
    boards: tuple[Board, ...]
    grain: np.ndarray  # (SIZE, SIZE) of all surfaces


class Limb(NamedTuple):
    """A thick line of a figure, in metres from the point between its feet; y up."""

    start: tuple[float, float]
    end: tuple[float, float]
    radius: float
    colour: int
    """Place in Figure.colours."""


class Figure(NamedTuple):
    """A person's clothes and build."""

    height: float
    build: float
    colours: np.ndarray  # (5, 3): skin, hair, shirt, trousers, shoes
    stripes: float  # of the shirt, per metre; 0: plain


class View(NamedTuple):
    """What the camera sees."""

    colour: np.ndarray  # (H, W, 3) in [0, 1]
    depth: np.ndarray  # (H, W) metres
    mask: np.ndarray  # (H, W) bool: the figure


def make_room(rng: np.random.Generator) -> Room:
    half_width, length = rng.uniform(1.6, 4.0), rng.uniform(4.5, 10.0)
    frames = rng.integers(0, 4)
    places = np.column_stack(
        [
            rng.uniform(-half_width, half_width, frames),
            rng.uniform(1.3, 2.2, frames),
            rng.uniform(0.15, 0.6, (frames, 2)),
            rng.uniform(0.05, 0.95, (frames, 3)),
        ]
    )
    boards = [
        Board(
            x=rng.uniform(-half_width, half_width),
            z=rng.uniform(2.2, length - 0.3),
            width=rng.uniform(0.4, 1.6),
            height=rng.uniform(0.4, 1.9),
            colour=rng.uniform(0.1, 0.9, 3),
            stripes=rng.choice([0.0, rng.uniform(2, 8)]),
        )
        for _ in range(rng.integers(1, 5))
    ]
    colours = rng.uniform(0.25, 0.9, (4, 1)) * (1 - 0.45 * rng.random((4, 3)))
    far_first = tuple(sorted(boards, key=lambda board: -board.z))
    return Room(
        half_width, rng.uniform(2.3, 3.2), length, colours, rng.uniform(0.3, 0.9), places, far_first, fractal(rng)
    )


def make_figure(rng: np.random.Generator) -> Figure:
    skin = np.array([0.95, 0.75, 0.6]) * rng.uniform(0.35, 1.0)
    clothes = rng.uniform(0.05, 0.95, (4, 3))
    return Figure(
        rng.uniform(1.5, 1.95), rng.uniform(0.8, 1.3), np.vstack([skin, clothes]), rng.choice([0.0, 9.0, 14.0])
    )


def limbs(figure: Figure, rng: np.random.Generator) -> list[Limb]:
    """The figure in a pose of its own; later limbs lie in front of earlier ones."""
    h, b = figure.height, figure.build
    hip, shoulder, head = 0.5 * h, 0.8 * h, 0.92 * h
    step, lean = rng.uniform(-0.12, 0.25) * h, rng.uniform(-0.06, 0.06) * h
    skin, hair, shirt, trousers, shoes = range(5)
    parts = []
    for side in (-1, 1):
        foot, knee = (side * (0.06 * h + step / 2), 0.03 * h), (side * (0.06 * h + step / 3), 0.27 * h)
        leg = 0.045 * h * b
        parts += [Limb((side * 0.05 * h, hip), knee, leg, trousers), Limb(knee, foot, 0.8 * leg, trousers)]
        parts += [Limb(foot, (foot[0] + 0.05 * h, 0.03 * h), 0.03 * h, shoes)]
    neck = (lean, shoulder)
    parts += [Limb((0, hip), neck, 0.095 * h * b, shirt)]
    for side in (-1, 1):
        swing, raised = rng.uniform(0.05, 0.9), rng.uniform(0.6, 1.6)
        elbow = (lean + side * (0.1 + 0.12 * np.sin(swing)) * h * b, shoulder - 0.17 * h * np.cos(swing))
        hand = (elbow[0] + side * 0.13 * h * np.sin(raised * swing), elbow[1] - 0.15 * h * np.cos(raised * swing))
        top = (lean + side * 0.09 * h * b, shoulder)
        parts += [Limb(top, elbow, 0.032 * h * b, shirt), Limb(elbow, hand, 0.026 * h * b, skin)]
    parts += [Limb((lean, shoulder + 0.03 * h), (lean, head), 0.03 * h, skin)]
    parts += [Limb((lean, head + 0.025 * h), (lean, head + 0.03 * h), 0.068 * h, hair)]
    parts += [Limb((lean, head - 0.01 * h), (lean, head + 0.005 * h), 0.058 * h, skin)]
    return parts


def look(room: Room, height: int, width: int, samples: int, person: tuple[Figure, np.random.Generator] | None) -> View:
    """The room, and the person in a pose and at a place that the generator decides. samples: rays along a pixel's side."""
    rows = ((np.arange(height * samples) + 0.5) / samples / height - HORIZON) / FOCAL
    columns = ((np.arange(width * samples) + 0.5) / samples - width / 2) / height / FOCAL
    right, down = np.meshgrid(columns, rows)  # of a ray that goes 1 m ahead
    colour, depth = _box(room, right, down)
    for board in room.boards:
        _stand(colour, depth, right, down, board, room.grain)
    mask = np.zeros(depth.shape, bool)
    if person is not None:
        mask = _person(room, colour, depth, right, down, *person)
    return View(colour, depth, mask)


def camera(view: View, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8: the view's samples averaged, with this picture's exposure and noise."""
    rows, columns = (length // samples for length in view.depth.shape)
    pixels = view.colour.reshape(rows, samples, columns, samples, 3).mean((1, 3))
    gain = rng.uniform(1 - EXPOSURE, 1 + EXPOSURE)
    return np.clip(255 * gain * pixels + NOISE * rng.standard_normal(pixels.shape), 0, 255).round().astype(np.uint8)


def _box(room: Room, right: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour and depth of the empty room: each ray ends at the nearest of its five surfaces."""
    with np.errstate(divide="ignore"):
        floor, ceiling = EYE / np.maximum(down, 0), (room.height - EYE) / np.maximum(-down, 0)
        sides = room.half_width / np.abs(right)
    distances = np.stack([floor, ceiling, sides, np.full_like(right, room.length)])
    surface = distances.argmin(0)
    depth = distances.min(0)
    x, y = right * depth, EYE - down * depth  # metres to the right, above the floor
    on_floor, on_side = surface == 0, surface == 2
    colour = room.colours[surface]
    tiles = (np.floor(x / room.tile) + np.floor(depth / room.tile)) % 2
    colour[on_floor] *= (0.75 + 0.25 * tiles)[on_floor][:, None]
    for px, py, half_x, half_y, *shade in room.pictures:
        framed = (surface == 3) & (np.abs(x - px) < half_x) & (np.abs(y - py) < half_y)
        colour[framed] = shade
    across, along = np.where(on_side, depth, x), np.where(surface < 2, depth, y)
    return colour * (1 + 0.06 * _grain(room.grain, across, along))[..., None], depth


def _stand(
    colour: np.ndarray, depth: np.ndarray, right: np.ndarray, down: np.ndarray, board: Board, grain: np.ndarray
) -> None:
    """Put a board in front of what is further away."""
    x, y = right * board.z - board.x, EYE - down * board.z
    here = (np.abs(x) < board.width / 2) & (y >= 0) & (y < board.height) & (board.z < depth)
    light = 1 + 0.05 * _grain(grain, x + 1.7 * board.z, y)
    if board.stripes:
        light = light * (0.8 + 0.2 * (np.floor(x * board.stripes) % 2))
    colour[here] = (board.colour * light[..., None])[here]
    depth[here] = board.z


def _person(
    room: Room,
    colour: np.ndarray,
    depth: np.ndarray,
    right: np.ndarray,
    down: np.ndarray,
    figure: Figure,
    rng: np.random.Generator,
) -> np.ndarray:
    """Put the figure into the room; returns its mask."""
    z = rng.uniform(CLOSEST, room.length - 0.4)
    reach = min(room.half_width - 0.3, 0.45 * z)
    at, facing = rng.uniform(-reach, reach), rng.choice([-1.0, 1.0])
    parts = limbs(figure, rng)
    _shadow(room, colour, depth, right, down, at, z)
    x, y = facing * (right * z - at), EYE - down * z
    mask = np.zeros(depth.shape, bool)
    free = z < depth
    for part in parts:
        across = _distance(x, y, part) / part.radius
        here = free & (across < 1)
        shade = 1.05 - 0.35 * across[here] ** 2
        if figure.stripes and part.colour == 2:
            shade = shade * (0.75 + 0.25 * (np.floor(y[here] * figure.stripes) % 2))
        colour[here] = figure.colours[part.colour] * shade[:, None]
        mask |= here
    depth[mask] = z
    return mask


def _shadow(
    room: Room, colour: np.ndarray, depth: np.ndarray, right: np.ndarray, down: np.ndarray, at: float, z: float
) -> None:
    """Darken the floor around the feet."""
    x, y = right * depth, EYE - down * depth
    away = np.hypot((x - at - 0.15) / 0.55, (depth - z) / 0.3)
    on_floor = (np.abs(y) < 1e-6) & (depth < room.length)
    colour *= np.where(on_floor, 1 - SHADOW * np.clip(1.3 - away, 0, 1), 1)[..., None]


def _distance(x: np.ndarray, y: np.ndarray, part: Limb) -> np.ndarray:
    """Metres from each point to the middle line of a limb."""
    (ax, ay), (bx, by) = part.start, part.end
    dx, dy = bx - ax, by - ay
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
    return np.hypot(x - ax - along * dx, y - ay - along * dy)


def _grain(grain: np.ndarray, across: np.ndarray, along: np.ndarray) -> np.ndarray:
    u, v = ((TEXELS_PER_METRE * metres).astype(int) % SIZE for metres in (across, along))
    return grain[v, u]
