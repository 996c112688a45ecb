"""python -m litemono.synthetic composites: rooms with figures in front of them, in the layout of --dataset composites.

    world.json                      the settings it was rendered with; written last
    bg/img_001.png                  backgrounds, from 1
    fgbg/fg001_bg001_00.png         each figure in front of each background, in several poses
    mask/fg001_bg001_00.png         255 where the figure is
    depth/fg001_bg001_00.png        255 x 1 m / depth: bright is near

Mask and depth are those at the middle of each pixel: exact, but for the 8 bits of depth.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from litemono.data.datasets.composites import BACKGROUNDS, DEPTHS, KINDS, MASKS, PICTURES
from litemono.data.settings import default_workers
from litemono.synthetic.rooms import Room, camera, look, make_figure, make_room
from litemono.synthetic.settings import LARGEST
from litemono.synthetic.world_folder import make_once, render_all
from litemono.utils import cli
from litemono.utils.errors import require

VERSION = 1  # of the rendering: raise it when the same settings give other pictures
SAMPLES = 2  # rays per pixel side
NEAREST = 1.0  # metres that are 255 in a depth picture
ROOM, FIGURE, POSE, BACKGROUND_CAMERA, PICTURE_CAMERA = range(5)  # what random numbers are for


@dataclass(frozen=True)
class CompositeSettings:
    """What the pictures are a function of."""

    height: int = 128
    """Height of the pictures."""
    width: int = 128
    """Width of the pictures."""
    backgrounds: int = 20
    """Rooms."""
    figures: int = 6
    """Persons; each stands in each room."""
    variants: int = 2
    """Poses and places of each person in each room."""
    seed: int = 0
    """Another seed, other rooms and persons."""
    ext: Literal["png", "jpg"] = "png"
    """Format of all pictures."""

    def check(self) -> None:
        for name in ("backgrounds", "figures", "variants"):
            require(getattr(self, name) >= 1, f"--{name} {getattr(self, name)}: must be at least 1")
        require(
            min(self.height, self.width) >= 32, f"--height {self.height} --width {self.width}: at least 32 pixels each"
        )
        require(
            max(self.height, self.width) <= LARGEST,
            f"--height {self.height} --width {self.width}: at most {LARGEST} pixels each",
        )
        require(self.seed >= 0, f"--seed {self.seed}: must not be negative")

    @property
    def count(self) -> int:
        """Pictures with a figure."""
        return self.backgrounds * self.figures * self.variants


def write_composites(folder: Path, settings: CompositeSettings, num_workers: int = 1) -> None:
    """Render into `folder`, or take what is there when it has the same settings."""
    settings.check()
    require(num_workers >= 1, f"--num_workers {num_workers}: must be at least 1")
    make_once(folder, {"version": VERSION, **asdict(settings)}, partial(_write, settings, num_workers))


def _write(settings: CompositeSettings, num_workers: int, folder: Path) -> None:
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
    rooms = range(1, settings.backgrounds + 1)
    render_all(partial(_write_room, folder, settings), rooms, num_workers, "rooms")


def _write_room(folder: Path, settings: CompositeSettings, number: int) -> None:
    """A background and all pictures in front of it."""
    size = (settings.height, settings.width)
    room = _room(settings.seed, number)
    empty = camera(look(room, *size, SAMPLES, None), SAMPLES, _rng(settings, BACKGROUND_CAMERA, number))
    _save(empty, folder / BACKGROUNDS / f"img_{number:03d}.{settings.ext}")
    for person in range(1, settings.figures + 1):
        figure = make_figure(_rng(settings, FIGURE, person))
        for variant in range(settings.variants):
            this = (number, person, variant)
            fine, exact = (
                look(room, *size, samples, (figure, _rng(settings, POSE, *this))) for samples in (SAMPLES, 1)
            )
            pictures = {
                PICTURES: camera(fine, SAMPLES, _rng(settings, PICTURE_CAMERA, *this)),
                MASKS: exact.mask.astype(np.uint8) * 255,
                DEPTHS: np.clip(255 * NEAREST / exact.depth, 0, 255).round().astype(np.uint8),
            }
            for kind, values in pictures.items():
                _save(values, folder / kind / f"fg{person:03d}_bg{number:03d}_{variant:02d}.{settings.ext}")


@lru_cache(maxsize=2)
def _room(seed: int, number: int) -> Room:
    return make_room(np.random.default_rng((seed, ROOM, number)))


def _rng(settings: CompositeSettings, purpose: int, *of: int) -> np.random.Generator:
    return np.random.default_rng((settings.seed, purpose, *of))


def _save(values: np.ndarray, path: Path) -> None:
    options = {"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {"compress_level": 3}
    Image.fromarray(values).save(path, None, **options)


@dataclass(frozen=True)
class Config:
    """Where the pictures go and what they are like."""

    output: Path
    """Folder to make. If it holds pictures of the same settings already, nothing is done."""
    world: CompositeSettings = field(default_factory=CompositeSettings)
    num_workers: int = field(default_factory=default_workers)
    """Processes. Default: one per core, at most 8."""


def render(config: Config) -> None:
    """Render rooms with persons in front of them, with exact masks and depth, for litemono segment.

    Example: python -m litemono.synthetic composites --output figures --backgrounds 20
    """
    write_composites(config.output, config.world, config.num_workers)
    print(f"{config.output}: {config.world.count} pictures of {config.world.backgrounds} backgrounds")
    size = f"--height {config.world.height} --width {config.world.width}"
    print(f"train on it: python -m litemono.segment --data_path {shlex.quote(str(config.output))} {size}")


def main() -> None:
    cli.run(render, Config, "python -m litemono.synthetic composites")


if __name__ == "__main__":
    main()
