"""The frames that an export is compared on: generated ones, those of a folder, those of a split with their ground truth."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from litemono.data.datasets import registry
from litemono.data.datasets.frames import IMAGE_SUFFIXES, images_in
from litemono.data.missing_frames import find_missing
from litemono.data.splits import SplitLine, read_split, split_file
from litemono.data.stores.folder import open_store
from litemono.data.stores.images import read_image
from litemono.exporting.settings import ExportConfig
from litemono.trained_depth import TrainedDepth
from litemono.utils.archives import check_sizes
from litemono.utils.errors import UserError, reason, require

CALIBRATION_FRAMES = 32
"""Frames of a folder or split, evenly spread, that int8's ranges are measured on; more change them little."""


class Frames(NamedTuple):
    """Images, read when they are needed."""

    calibration: tuple[Callable[[], np.ndarray], ...] = ()
    """Each (H, W, 3) uint8 at the network's size."""
    compared: tuple[Callable[[], np.ndarray], ...] = ()
    truth: Callable[[int], np.ndarray] | None = None
    """Of a frame that is compared: (h, w) metres, 0 where nothing was measured."""


def open_frames(config: ExportConfig, trained: TrainedDepth) -> Frames:
    """Raises UserError for frames or ground truth that are missing or do not fit together."""
    folder = () if config.images is None else _of_folder(config.images, trained)
    if config.split is None:
        return Frames(_spread(folder), folder)
    require(
        trained.kind != "relative",
        f"--split: {trained.net.name} predicts relative depth, which needs a scale and a shift for each image; give --images",
    )
    split, truth = _of_split(config, trained)
    return Frames(_spread(folder or split), split, truth)


def made_up(height: int, width: int, batch: int | None) -> Iterator[np.ndarray]:
    """(B, H, W, 3) uint8: noise and smooth images, in passes of one and of three images, or of the fixed number."""
    draw = np.random.default_rng(0)
    for count in (1, 3) if batch is None else (batch,):
        yield draw.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
        coarse = torch.from_numpy(draw.random((count, 3, 6, 20), np.float32))
        smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
        yield (255 * smooth).byte().permute(0, 2, 3, 1).contiguous().numpy()


def _spread(frames: tuple[Callable[[], np.ndarray], ...]) -> tuple[Callable[[], np.ndarray], ...]:
    return frames[:: max(1, len(frames) // CALIBRATION_FRAMES)][:CALIBRATION_FRAMES]


def _of_folder(folder: Path, trained: TrainedDepth) -> tuple[Callable[[], np.ndarray], ...]:
    require(folder.is_dir(), f"--images {folder}: there is no such folder")
    paths = [folder / name for name in images_in(folder)]
    require(paths, f"--images {folder}: no images ({' '.join(sorted(IMAGE_SUFFIXES))}) in this folder")

    def reader(path: Path) -> Callable[[], np.ndarray]:
        return lambda: trained.at_network_size(read_image(path, "replace it or take it out of --images"))

    return tuple(map(reader, paths))


def _of_split(
    config: ExportConfig, trained: TrainedDepth
) -> tuple[tuple[Callable[[], np.ndarray], ...], Callable[[int], np.ndarray]]:
    assert config.split is not None
    list_file = split_file(config.split, "test")
    lines = read_split(list_file)
    store = open_store(registry.DEFAULT.name, config.data_path, False, trained.net.height, trained.net.width)
    missing = find_missing(store, lines, (0,), use_stereo=False)
    if missing.incomplete:
        what = f"{missing.incomplete} of {len(lines)} test images are missing ({missing.examples[0]})"
        raise UserError(f"--split {config.split}: {what}; give their folder as --data_path")
    path = config.gt_path or config.data_path / f"gt_depths_{list_file.parent.name}.npz"

    def reader(line: SplitLine) -> Callable[[], np.ndarray]:
        return lambda: store.read(*line)

    return tuple(map(reader, lines)), _truth(path, lines, config)


def _truth(path: Path, lines: list[SplitLine], config: ExportConfig) -> Callable[[int], np.ndarray]:
    """The depth maps in a file of export_gt, by their place in the split."""
    way = f"make it: python -m export_gt --data_path {config.data_path} --split {config.split} --output {path}"
    require(path.is_file(), f"{path}: there is no such ground-truth file; {way}")
    try:
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive)
        maps = np.load(path, allow_pickle=False)
        stored = [str(line) for line in maps["lines"]]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{path}: not a ground-truth file of export_gt ({reason(error)}); {way}") from None
    require(
        stored == [str(line) for line in lines], f"{path}: made for other images than --split {config.split}; {way}"
    )
    return lambda index: maps[f"{index:04d}"]
