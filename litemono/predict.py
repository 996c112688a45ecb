"""Depth pictures of photographs and video frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import tyro

from litemono.data.datasets.frames import IMAGE_SUFFIXES, natural_key
from litemono.data.settings import default_workers
from litemono.data.stores.images import read_image
from litemono.depth_map import LONGEST_JPEG, require_depth
from litemono.tasks.monodepth_settings import MODEL_HELP
from litemono.utils import cli
from litemono.utils.atomic_files import replacing
from litemono.utils.errors import UserError, require
from litemono.utils.parallel import ordered_map
from litemono.utils.progress import track

if TYPE_CHECKING:  # torch is imported after the flags are right
    from litemono.inference import TrainedDepth

RESULT = "_disp"  # ends the stem of what is written: NAME_disp.jpeg, NAME_disp.npy, as published
DEPTH = "_depth"  # NAME_depth.png


@dataclass(frozen=True)
class PredictConfig:
    """Which pictures, by which network, to where."""

    load_weights: Path
    """Weights folder with encoder.pth and depth.pth, ours (RUN/models/weights_29) or published; or a file of litemono export."""
    input: Path
    """An image, or a folder of images."""
    output: Path | None = None
    """Folder for the results NAME_disp.jpeg. Default: beside the images."""
    model: Annotated[str | None, tyro.conf.arg(help=MODEL_HELP)] = None
    height: int | None = None
    """Input height. The network resizes images to the nearest multiple of 32, and its output back. Default: as in encoder.pth."""
    width: int | None = None
    """Input width. Default: as in encoder.pth."""
    save_npy: bool = False
    """Also write NAME_disp.npy: scaled disparity (inverse depth) at the network's size, (1, 1, height, width) float32."""
    depth_png: bool = False
    """Also write NAME_depth.png of the image's size: 16-bit PNG, depth times --depth_factor. In metres where the network was
    trained in metres, else in its unknown unit; refused for relative depth."""
    depth_factor: float = 256.0
    """Of --depth_png: the number that stands for one metre. 256 as KITTI, 1000 for millimetres."""
    ext: str | None = None
    """Take only images of this extension from the folder (jpg, png, ...). Default: every image."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    batch_size: int = 8
    """Images per forward pass."""
    num_workers: int = field(default_factory=default_workers)
    """Threads that read images. Default: one per core, at most 8."""


class Picture(NamedTuple):
    """One image as the network sees it."""

    path: Path
    size: tuple[int, int]
    """Height and width of the original."""
    pixels: np.ndarray
    """(H, W, 3) uint8 at the network's size."""


def predict(config: PredictConfig) -> None:
    """Turn an image or a folder of images into colour depth pictures: bright is near.

    Images of a folder that cannot be read are passed over, and named at the end with exit status 2.

    Example: python -m litemono.predict --load_weights runs/lite-mono/models/last --input street.jpg --output depth
    """
    for name in ("batch_size", "num_workers"):
        if getattr(config, name) < 1:
            raise UserError(f"--{name} {getattr(config, name)}: must be at least 1")
    require(0 < config.depth_factor < float("inf"), f"--depth_factor {config.depth_factor:g}: must be above 0")
    paths = find_images(config.input, config.ext)
    from litemono.inference import load_trained
    from litemono.utils.device import choose_device

    trained = load_trained(config.load_weights, config.model, choose_device(config.device), config.height, config.width)
    if config.depth_png:
        require_depth(trained.kind, f"--depth_png: {config.load_weights}")
    output = config.output or paths[0].parent
    broken: list[UserError] = []
    pictures = _readable(track(_read_ahead(paths, trained, config), len(paths), "depth pictures"), broken)
    written = sum(1 for _ in _write_all(pictures, trained, output, config))
    if broken and len(paths) == 1:
        raise broken[0]
    if written:
        print(f"{written} depth picture{'s' * (written > 1)} in {output}")
        if config.depth_png:
            unit = "metres" if trained.kind == "metric" else "depth in the network's unknown unit"
            print(f"NAME{DEPTH}.png: 16 bits, {unit} times {config.depth_factor:g}")
    if broken:
        reasons = "".join(f"\n  {error}" for error in broken)
        raise UserError(f"{len(broken)} of {len(paths)} images in {config.input} have no depth picture:{reasons}")


def find_images(source: Path, ext: str | None) -> list[Path]:
    """`source` itself, or the images in that folder in natural order, without earlier results."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UserError(f"--input {source}: there is no such file or folder")
    suffixes = {f".{ext.lower().lstrip('.')}"} if ext else IMAGE_SUFFIXES
    candidates = (path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    paths = [path for path in candidates if path.suffix.lower() in suffixes and not path.stem.endswith(RESULT)]
    if not paths:
        raise UserError(f"--input {source}: no images ({' '.join(sorted(suffixes))}) in this folder")
    stems = {path.stem for path in paths}
    paths = [
        path for path in paths if path.stem.removesuffix(DEPTH) == path.stem or path.stem[: -len(DEPTH)] not in stems
    ]
    by_stem: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: natural_key(path.name)):
        other = by_stem.setdefault(path.stem, path)
        if other is not path:
            raise UserError(
                f"--input {source}: {other.name} and {path.name} would both become {path.stem}{RESULT}.jpeg; "
                f"choose one kind: --ext {path.suffix[1:]}"
            )
    return list(by_stem.values())


def read_picture(path: Path, trained: TrainedDepth) -> Picture:
    """Upright by its EXIF note, RGB, Lanczos-resized as in training."""
    image = read_image(path, "replace it or take it out of --input")
    if max(image.size) > LONGEST_JPEG:
        raise UserError(
            f"{path}: {image.width}x{image.height} pixels; a JPEG, which its picture is to be, ends at {LONGEST_JPEG}"
        )
    return Picture(path, (image.height, image.width), trained.at_network_size(image))


def _read_ahead(paths: list[Path], trained: TrainedDepth, config: PredictConfig) -> Iterator[Picture | UserError]:
    def read(path: Path) -> Picture | UserError:
        try:
            return read_picture(path, trained)
        except UserError as error:
            return error

    with ThreadPoolExecutor(config.num_workers) as threads:
        yield from ordered_map(threads, read, paths, ahead=2 * config.batch_size + config.num_workers)


def _readable(pictures: Iterable[Picture | UserError], unreadable: list[UserError]) -> Iterator[Picture]:
    """The pictures; what came instead of one is added to `unreadable`."""
    for picture in pictures:
        if isinstance(picture, Picture):
            yield picture
        else:
            unreadable.append(picture)


def _write_all(
    pictures: Iterator[Picture], trained: TrainedDepth, output: Path, config: PredictConfig
) -> Iterator[Path]:
    """Write each picture's results; yields the picture's path when they are there."""
    from litemono.inference import require_finite

    while batch := list(islice(pictures, config.batch_size)):
        disparities = trained.disparity(np.stack([picture.pixels for picture in batch]))
        require_finite(disparities, f"--load_weights {config.load_weights}")
        for picture, disparity in zip(batch, disparities, strict=True):
            stem = output / f"{picture.path.stem}{RESULT}"
            if config.save_npy:
                with replacing(stem.with_name(f"{stem.name}.npy")) as file:
                    np.save(file, disparity[None, None].cpu().numpy(), allow_pickle=False)
            depth = trained.depth_map(disparity, *picture.size)
            depth.save(stem.with_name(f"{stem.name}.jpeg"))
            if config.depth_png:
                depth.save_depth_png(output / f"{picture.path.stem}{DEPTH}.png", config.depth_factor)
            yield picture.path


def main() -> None:
    cli.run(predict, PredictConfig, "python -m litemono.predict")


if __name__ == "__main__":
    main()
