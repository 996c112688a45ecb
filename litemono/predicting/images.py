"""Image files as a source: one, those of a folder, or those of a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from litemono.data.datasets.frames import IMAGE_SUFFIXES, images_in, natural_key
from litemono.data.stores.images import read_image
from litemono.depth_map import LONGEST_JPEG
from litemono.predicting.frames import Frame
from litemono.predicting.names import DEPTH, PICTURE, RESULT
from litemono.utils.errors import UserError

PICTURES_PER_S = 10.0  # of a film that is made of images


class Images:
    """Image files in natural order."""

    def __init__(self, paths: list[Path], name: str, where: str, rate: float | None) -> None:
        self.files, self.name, self.where, self.rate = paths, name, where, rate or PICTURES_PER_S
        self.count: int | None = len(paths)
        self.folder = paths[0].parent

    def frames(self, start: int) -> Iterator[Frame]:
        for index in range(start, len(self.files)):
            path = self.files[index]
            yield Frame(index, path.stem, partial(read_picture, path))

    def complaint(self) -> str | None:
        return None


def read_picture(path: Path) -> Image.Image:
    """Upright by its EXIF note, RGB."""
    image = read_image(path, "replace it or take it out of --input")
    if max(image.size) > LONGEST_JPEG:
        raise UserError(
            f"{path}: {image.width}x{image.height} pixels; a JPEG, which its picture is to be, ends at {LONGEST_JPEG}"
        )
    return image


def find_images(source: Path, ext: str | None) -> list[Path]:
    """The images in a folder in natural order, without earlier results."""
    suffixes = {f".{ext.lower().lstrip('.')}"} if ext else IMAGE_SUFFIXES
    paths = in_order((source / name for name in images_in(source, suffixes)), source)
    if not paths:
        raise UserError(f"--input {source}: no images ({' '.join(sorted(suffixes))}) in this folder")
    return paths


def in_order(candidates: Iterable[Path], source: Path) -> list[Path]:
    """Images in natural order, without earlier results. UserError where two would share their results."""
    paths = [path for path in candidates if not path.stem.endswith(RESULT)]
    stems = {path.stem for path in paths}
    paths = [path for path in paths if not (path.stem.endswith(DEPTH) and path.stem.removesuffix(DEPTH) in stems)]
    by_stem: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: natural_key(str(path))):
        other = by_stem.setdefault(path.stem, path)
        if other is not path:
            raise UserError(
                f"--input {source}: {other.name} and {path.name} would both become {path.stem}{PICTURE}; "
                f"choose one kind: --ext {path.suffix[1:]}"
            )
    return list(by_stem.values())
