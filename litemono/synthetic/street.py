"""The rendered street: where houses, trees and cars stand, and how the camera and the traffic move.

World frame: x to the right, y down, z along the street, metres; the ground is the plane y = 0. A point of the street is
(s, d): z = s on the centre line x = c(s), then d metres to the right of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from litemono.synthetic.textures import ID

CAMERA_HEIGHT = 1.65
LANE = 1.75  # middle of a lane, metres from the centre line; traffic keeps to the right
ROAD, PAVEMENT = 6.4, 9.3  # where asphalt and pavement end


class Objects(NamedTuple):
    """N boxes (or ellipsoids) that stand upright, turned by `yaw` about the vertical."""

    centre: np.ndarray  # (N, 3) world
    half: np.ndarray  # (N, 3) half sizes along its own right, down, forward
    yaw: np.ndarray  # (N,) radians; forward is (sin yaw, 0, cos yaw)
    round: np.ndarray  # (N,) bool, ellipsoid instead of box
    texture: np.ndarray  # (N, 6) texture of the faces left, right, top, bottom, back, front
    tile: np.ndarray  # (N, 6, 2) metres that one texture tile covers, across and down
    tint: np.ndarray  # (N, 3) colour of the tinted part

    def take(self, which: np.ndarray) -> Objects:
        return Objects(*(values[which] for values in self))


class Builder:
    """Collects objects in street coordinates."""

    def __init__(self, street: Street):
        self.street = street
        self.rows: list[tuple] = []

    def add(self, s, d, size, textures, *, base=0.0, tile=(6.0, 6.0), tint=(1, 1, 1), is_round=False, turn=0.0) -> None:
        """One object of `size` (width, height, length) standing at (s, d), `base` above the ground.

        textures: one name, or (sides, top and bottom, back, front). tile: metres; None fits the texture to each face.
        """
        names = (textures,) * 4 if isinstance(textures, str) else textures
        faces = [ID[name] for name in (names[0], names[0], names[1], names[1], names[2], names[3])]
        width, height, length = size
        fitted = [(length, height)] * 2 + [(width, length)] * 2 + [(width, height)] * 2
        x, z, heading = self.street.place(s, d)
        centre = (x, -base - height / 2, z)
        tiles = fitted if tile is None else [tile] * 6
        self.rows.append((centre, np.array(size) / 2, heading + turn, is_round, faces, tiles, tint))

    def car(self, s: float, d: float, paint: tuple[float, ...], scale: float, oncoming: bool) -> None:
        """Shadow, body and cabin; drawn towards +s, or turned round when oncoming."""
        turn = np.pi if oncoming else 0.0
        ahead = -1.0 if oncoming else 1.0
        wide, long = 1.75 * scale, 4.3 * scale
        self.add(s, d - 0.35, (wide + 0.5, 0.02, long + 0.3), "asphalt", tint=(0.3, 0.3, 0.32))
        body = ("car_side", "car_top", "car_rear", "car_front")
        self.add(s, d, (wide, 0.92 * scale, long), body, tile=None, tint=paint, turn=turn)
        cabin = ("car_glass", "car_top", "car_glass", "car_glass")
        size = (wide * 0.86, 0.56 * scale, long * 0.52)
        self.add(s - 0.25 * ahead, d, size, cabin, base=0.92 * scale, tile=None, tint=paint, turn=turn)

    def objects(self) -> Objects:
        kinds = (np.float32, np.float32, np.float32, bool, np.int32, np.float32, np.float32)
        return Objects(
            *(np.array(column, kind) for column, kind in zip(zip(*self.rows, strict=True), kinds, strict=True))
        )


PAINTS = ((0.75, 0.1, 0.1), (0.15, 0.25, 0.6), (0.85, 0.85, 0.87), (0.2, 0.2, 0.22), (0.5, 0.52, 0.55), (0.7, 0.6, 0.3),
          (0.15, 0.4, 0.25))  # fmt: skip
WALLS = ((0.95, 0.85, 0.65), (0.9, 0.7, 0.55), (0.85, 0.85, 0.82), (0.75, 0.45, 0.38), (0.7, 0.75, 0.8), (0.95, 0.92, 0.8),
         (0.6, 0.62, 0.55))  # fmt: skip
AHEAD = 170.0  # the street extends this far beyond the last camera position


class Street:
    """One drive: a street of its own, the camera's path along it and the traffic. A function of (seed, frames)."""

    def __init__(self, seed: Sequence[int], frames: int):
        rng = np.random.default_rng(seed)
        self.frames = frames
        self.bends = [
            (rng.uniform(4, 8), rng.uniform(38, 60), rng.uniform(0, 6.28)),
            (rng.uniform(6, 16), 150.0, rng.uniform(0, 6.28)),
        ]
        time = np.arange(frames)
        speed = rng.uniform(0.48, 0.62) + 0.1 * np.sin(time / rng.uniform(9, 16) + rng.uniform(0, 6.28))
        self.along = np.cumsum(speed) - speed[0]
        self.sway = 0.25 * np.sin(time / rng.uniform(14, 25) + rng.uniform(0, 6.28))
        self.pitch = np.radians(0.25) * np.sin(time / rng.uniform(4, 7) + rng.uniform(0, 6.28))
        self.roll = np.radians(0.3) * np.sin(time / rng.uniform(6, 10) + rng.uniform(0, 6.28))
        self.end = self.along[-1] + AHEAD
        self.standing = self._build(rng)
        self.traffic = self._plan_traffic(rng)

    def centre_line(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x of the centre line and its slope dx/dz at z = s."""
        x, slope = np.zeros_like(s), np.zeros_like(s)
        for size, length, phase in self.bends:
            x = x + size * np.sin(s / length + phase)
            slope = slope + size / length * np.cos(s / length + phase)
        return x, slope

    def place(self, s: float, d: float) -> tuple[float, float, float]:
        """World x, z and heading of the street point (s, d)."""
        x, slope = self.centre_line(np.asarray(s, np.float64))
        heading = float(np.arctan(slope))
        return float(x + d * np.cos(heading)), float(s - d * np.sin(heading)), heading

    def camera(self, frame: int) -> np.ndarray:
        """T_world_cam (4, 4) of camera 2 (x right, y down, z forward)."""
        x, z, heading = self.place(self.along[frame], LANE + self.sway[frame])
        yaw, pitch, roll = _turn(1, heading), _turn(0, self.pitch[frame]), _turn(2, self.roll[frame])
        pose = np.eye(4)
        pose[:3, :3] = yaw @ pitch @ roll
        pose[:3, 3] = x, -CAMERA_HEIGHT, z
        return pose

    def objects(self, frame: int) -> Objects:
        """Everything that stands or drives at `frame`."""
        if not self.traffic:
            return self.standing
        moving = Builder(self)
        for s, speed, d, paint in self.traffic:
            moving.car(s + speed * frame, d, paint, 1.0, oncoming=speed < 0)
        return Objects(*(np.concatenate(both) for both in zip(self.standing, moving.objects(), strict=True)))

    def _plan_traffic(self, rng: np.random.Generator) -> list[tuple]:
        """(s at frame 0, metres per frame, d, paint): up to two oncoming cars and, in one street of three, one ahead."""
        cars = []
        for _ in range(rng.integers(1, 3)):
            cars.append(
                (rng.uniform(25, self.end - 40), -rng.uniform(0.6, 1.0), -LANE, PAINTS[rng.integers(len(PAINTS))])
            )
        if rng.random() < 1 / 3:
            pace = self.along[-1] / max(self.frames - 1, 1)
            cars.append((rng.uniform(14, 24), pace * rng.uniform(1.0, 1.15), LANE, PAINTS[rng.integers(len(PAINTS))]))
        return cars

    def _build(self, rng: np.random.Generator) -> Objects:
        builder = Builder(self)
        for side in (-1.0, 1.0):
            _houses(builder, rng, side)
            _parked_cars(builder, rng, side)
            _street_furniture(builder, rng, side)
        return builder.objects()


def _houses(builder: Builder, rng: np.random.Generator, side: float) -> None:
    s = -25.0
    while s < builder.street.end:
        long, high, deep = rng.uniform(8, 17), rng.uniform(5.5, 13), 9.0
        front = PAVEMENT + rng.choice([0.2, 1.5, 4.0])
        if rng.random() < 0.8:
            kind = str(rng.choice(["plaster", "bricks", "panels", "shop"]))
            tint, tile = WALLS[rng.integers(len(WALLS))], (rng.uniform(8, 11), rng.uniform(8, 10))
            middle = (s + long / 2, side * (front + deep / 2))
            builder.add(*middle, (deep, high, long), (kind, "roof", kind, kind), tile=tile, tint=tint)
            builder.add(*middle, (deep + 0.8, 0.4, long + 0.3), "roof", base=high, tile=(4, 4), tint=(0.8, 0.75, 0.75))
        else:
            fence = str(rng.choice(["planks", "leaves", "concrete"]))
            builder.add(s + long / 2, side * (PAVEMENT + 0.4), (0.5, rng.uniform(1.2, 2.2), long), fence, tile=(3, 3))
            for _ in range(4):
                at = (s + rng.uniform(0, long), side * rng.uniform(PAVEMENT + 3, PAVEMENT + 10))
                _tree(builder, rng, *at)
        if front > PAVEMENT + 3:
            builder.add(
                s + long / 2, side * (PAVEMENT + 0.3), (0.6, rng.uniform(0.7, 1.3), long - 2), "leaves", tile=(2, 2)
            )
        s += long + rng.choice([0.0, 0.0, 2.5, 5.0])


def _tree(builder: Builder, rng: np.random.Generator, s: float, d: float) -> None:
    trunk, crown = rng.uniform(1.8, 2.8), rng.uniform(2.4, 3.8)
    builder.add(s, d, (0.32, trunk + 0.8, 0.32), "bark", tile=(1.2, 1.2), tint=(0.75, 0.7, 0.65))
    green = (rng.uniform(0.6, 1.1), rng.uniform(0.8, 1.05), rng.uniform(0.5, 0.9))
    for blob in range(3):
        size = crown * (1 - 0.18 * blob)
        at = (s + rng.uniform(-0.7, 0.7) * (blob > 0), d + rng.uniform(-0.7, 0.7) * (blob > 0))
        shape = (size, size * rng.uniform(0.8, 1.0), size)
        builder.add(*at, shape, "leaves", base=trunk + 0.6 * blob, tile=(2.5, 2.5), tint=green, is_round=True)


def _parked_cars(builder: Builder, rng: np.random.Generator, side: float) -> None:
    for s in np.arange(-15.0, builder.street.end, 5.8):
        if rng.random() < 0.45:
            paint = PAINTS[rng.integers(len(PAINTS))]
            at = (s + rng.uniform(-0.4, 0.4), side * rng.uniform(5.0, 5.25))
            builder.car(*at, paint, rng.uniform(0.95, 1.12), oncoming=side < 0)


def _street_furniture(builder: Builder, rng: np.random.Generator, side: float) -> None:
    s = -10.0
    while s < builder.street.end:
        kind = rng.choice(["tree", "tree", "lamp", "box", "bush"])
        at = (s, side * 7.2)
        if kind == "tree":
            _tree(builder, rng, *at)
        elif kind == "lamp":
            builder.add(*at, (0.18, 6.0, 0.18), "concrete", tile=(1, 1), tint=(0.5, 0.5, 0.52))
            builder.add(s, side * 6.6, (1.3, 0.15, 0.35), "concrete", base=6.0, tile=(1, 1), tint=(0.45, 0.45, 0.47))
        elif kind == "box":
            size = (rng.uniform(0.6, 1.2), rng.uniform(0.9, 1.8), rng.uniform(0.6, 1.6))
            builder.add(
                *at, size, str(rng.choice(["planks", "concrete"])), tile=(1.5, 1.5), tint=PAINTS[rng.integers(7)]
            )
        else:
            width = rng.uniform(1.0, 1.6)
            builder.add(*at, (width, width * 0.9, width), "leaves", tile=(1.5, 1.5), is_round=True)
        s += rng.uniform(6, 11)


def _turn(axis: int, angle: float) -> np.ndarray:
    """Rotation about x, y or z (3, 3); about y, positive turns forward (z) to the right (x)."""
    c, s = np.cos(angle), np.sin(angle)
    first, second = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = c
    matrix[first, second], matrix[second, first] = -s, s
    return matrix
