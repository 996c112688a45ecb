"""Where the disparities come from: a network looking at the test images, or a file of another program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from litemono.data.missing_frames import find_missing
from litemono.data.splits import SPLITS, SplitLine
from litemono.data.stores.base import FrameStore, SizedStore
from litemono.utils.archives import check_sizes
from litemono.utils.atomic_files import check_is_file, may_pass, replacing
from litemono.utils.errors import UserError, reason
from litemono.utils.parallel import ordered_map

from ..scoring.alignment import PredictionKind
from ..scoring.image_set import Job
from ..scoring.one_image import merge_flipped
from .sequences import Mapped

if TYPE_CHECKING:
    from litemono.inference import TrainedDepth

BENCHMARK, EIGEN_IMAGES = "eigen_benchmark", 697
BENCHMARK_IDS = SPLITS / "benchmark" / "eigen_to_benchmark_ids.npy"


def check_images(
    store: FrameStore, lines: Sequence[SplitLine], split_path: Path, frame_ids: Sequence[int] = (0,)
) -> None:
    """Raise UserError if an image of the test list is not there. frame_ids: those needed, relative to a line's own."""
    missing = find_missing(store, lines, frame_ids, use_stereo=False)
    if not missing.incomplete:
        return
    text = f"{split_path}: {missing.incomplete} of {len(lines)} test images are missing ({missing.examples[0]})"
    if missing.archives:
        text += f"; or extract {', '.join(missing.archives)} ({missing.archive_source})"
    raise UserError(text)


def from_network(
    trained: TrainedDepth,
    store: SizedStore,
    lines: Sequence[SplitLine],
    *,
    batch_size: int,
    num_workers: int,
    post_process: bool,
) -> Iterator[np.ndarray]:
    """(H, W) scaled disparity at the network's size for each line: float32, or float64 after post-processing."""
    for pixels in image_batches(store, lines, batch_size, num_workers):
        yield from of_batch(trained, pixels, post_process)


def from_images(
    trained: TrainedDepth, images: Iterator[np.ndarray], *, batch_size: int, post_process: bool
) -> Iterator[np.ndarray]:
    """The same for each of the images, (H, W, 3) uint8 at the network's size."""
    for pixels in batches(images, batch_size):
        yield from of_batch(trained, pixels, post_process)


def image_batches(
    store: SizedStore, lines: Sequence[SplitLine], batch_size: int, num_workers: int
) -> Iterator[np.ndarray]:
    """(B, H, W, 3) uint8 RGB of the lines in order. Threads read them: Pillow decodes and resizes outside Python's lock."""
    with ThreadPoolExecutor(num_workers) as threads:
        images = ordered_map(threads, lambda line: store.read(*line), lines, ahead=2 * batch_size + num_workers)
        yield from batches(images, batch_size)


def batches(images: Iterator[np.ndarray], batch_size: int) -> Iterator[np.ndarray]:
    while batch := list(islice(images, batch_size)):
        yield np.stack(batch)


def of_batch(trained: TrainedDepth, pixels: np.ndarray, post_process: bool) -> np.ndarray:
    """(B, H, W) scaled disparity."""
    disparity = trained.disparity(pixels).cpu().numpy()
    if not post_process:
        return disparity
    of_flipped = trained.disparity(pixels, flip=True).cpu().numpy()
    return merge_flipped(disparity, of_flipped[:, :, ::-1])


def from_file(path: Path, count: int, split_name: str, kind: PredictionKind) -> Sequence[np.ndarray]:
    """(H, W) for each image, from one array of all of them as --save_pred writes them or in another program's form.

    An .npy is mapped, not read at once; an .npz may hold one array. Also (count, 1, H, W), (count, H, W, 1), and Eigen's
    697 for the 652 of eigen_benchmark. UserError says what else is in the file.
    """
    try:
        check_is_file(path)
        maps = one_channel(only_array(np.load(path, mmap_mode="r")))
        if maps.ndim != 3 or not maps.size or maps.dtype.kind != "f" or maps.itemsize > 8:
            raise ValueError(f"shape {maps.shape}, type {maps.dtype}")
    except FileNotFoundError:
        raise UserError(f"--pred {path}: there is no such file") from None
    except Exception as error:  # what numpy raises for a damaged file depends on where the damage is
        if may_pass(error):
            raise
        raise UserError(
            f"--pred {path}: not an .npy file, or .npz with one array, of maps (images, height, width) ({reason(error)})"
        ) from None
    rows = rows_of(maps, split_name)
    if len(rows) != count:
        raise UserError(f"--pred {path}: {len(rows)} {kind} maps, but the split has {count} test images")
    return Mapped(maps.__getitem__, rows)


def in_order(indices: Iterable[int], lines: Sequence[SplitLine], maps: Iterable[np.ndarray]) -> Iterator[Job]:
    """Of predictions without names: one for each index of a line of the split."""
    for index, values in zip(indices, maps, strict=True):
        hint = "; training diverged, or the file holds something else"
        yield Job(index, f"prediction {index} ({lines[index]})", partial(np.asarray, values), hint)


def only_array(loaded: np.ndarray | np.lib.npyio.NpzFile) -> np.ndarray:
    """What np.load gave, or the one array of an .npz; ValueError names the arrays of another."""
    if isinstance(loaded, np.ndarray):
        return loaded
    if loaded.zip is not None:
        check_sizes(loaded.zip)
    names = getattr(loaded, "files", [])
    if len(names) != 1:
        raise ValueError(
            f"an archive of {len(names)} arrays: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"
        )
    return loaded[names[0]]


def one_channel(maps: np.ndarray) -> np.ndarray:
    """(N, H, W) of (N, H, W), (N, 1, H, W) or (N, H, W, 1)."""
    if maps.ndim == 4 and maps.shape[1] == 1:
        return maps[:, 0]
    if maps.ndim == 4 and maps.shape[3] == 1:
        return maps[..., 0]
    return maps


def rows_of(maps: np.ndarray, split_name: str) -> Sequence[int]:
    """All, or of predictions for Eigen's 697 test images those that eigen_benchmark has ground truth for."""
    if split_name != BENCHMARK or len(maps) != EIGEN_IMAGES:
        return range(len(maps))
    return np.load(BENCHMARK_IDS).tolist()


@contextmanager
def saving(path: Path | None, count: int) -> Iterator[Callable[[np.ndarray], object]]:
    """A function that appends one (H, W) map to `path`, in the end a (count, H, W) float32 .npy; None: to nowhere."""
    if path is None:
        yield lambda disparity: None
        return
    with replacing(path) as file:

        def append(disparity: np.ndarray) -> None:
            if not file.tell():
                header = {"descr": "<f4", "fortran_order": False, "shape": (count, *disparity.shape)}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(disparity.astype("<f4").tobytes())

        yield append
