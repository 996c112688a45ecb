"""What --input means."""

from __future__ import annotations

import glob
from pathlib import Path

from litemono.predicting.camera import Camera
from litemono.predicting.frames import Source
from litemono.predicting.images import Images, find_images, in_order
from litemono.predicting.settings import PredictConfig
from litemono.predicting.video import SUFFIXES, Video
from litemono.utils.errors import UserError, require


def open_source(config: PredictConfig) -> Source:
    """An image, a folder, a video, a camera's number or a pattern. UserError for anything else."""
    given = config.input
    if given.is_file():
        return Video(given) if given.suffix.lower() in SUFFIXES else images([given], given.stem, config)
    if given.is_dir():
        return images(find_images(given, config.ext), given.resolve().name, config)
    if str(given).isdecimal():
        return Camera(int(str(given)))
    if glob.has_magic(str(given)):
        return _matching(config)
    raise UserError(f"--input {given}: there is no such file or folder")


def images(paths: list[Path], name: str, config: PredictConfig) -> Images:
    return Images(paths, name, str(config.input), config.fps)


def _matching(config: PredictConfig) -> Source:
    pattern = str(config.input)
    paths = [Path(name) for name in glob.glob(pattern, recursive=True)]
    files = [path for path in paths if path.is_file()]
    require(files, f"--input {pattern}: no file matches this pattern")
    videos = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not videos:
        name = "".join(letter for letter in files[0].parent.name if letter.isprintable()) or "images"
        return images(in_order(files, config.input), name, config)
    require(
        len(files) == 1,
        f"--input {pattern}: matches {len(files)} files with a video among them; give one video at a time",
    )
    return Video(videos[0])
