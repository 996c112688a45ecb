"""Packed frames to train on: few rendered ones, repeated, so that they are made in seconds and read like any pack."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from benchmarks.loader import DRIVE, PACKED_FRAMES, write_pack
from litemono.synthetic.sensors import image
from litemono.synthetic.settings import Settings

RENDERED = 6


def write_world(folder: Path, height: int, width: int) -> Path:
    """A pack with its split, at the training's size; nothing is written where it is already, as a whole."""
    complete = folder / "complete"
    if complete.is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)  # what a kill left of it
    settings = Settings(height, width, drives=1, frames_per_drive=RENDERED)
    frames = [Image.fromarray(image(settings, 1, number)) for number in range(RENDERED)]
    write_pack(folder, frames, height, width)
    for name, numbers in (("train", range(1, PACKED_FRAMES - 1)), ("val", range(1, 25))):
        (folder / f"{name}_files.txt").write_text("".join(f"{DRIVE} {number} l\n" for number in numbers))
    complete.touch()
    return folder
