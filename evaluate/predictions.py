"""Where the disparities come from: a network looking at the test images, or a file of another program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from evaluate.protocol import merge_flipped
from litemono.data.missing_frames import find_missing
from litemono.data.splits import SplitLine
from litemono.data.stores.base import FrameStore, SizedStore
from litemono.inference import TrainedDepth
from litemono.utils.atomic_files import may_pass, replacing
from litemono.utils.errors import UserError
from litemono.utils.parallel import ordered_map


def check_images(store: FrameStore, lines: list[SplitLine], split_path: Path) -> None:
    """Raise UserError if an image of the test list is not there."""
    missing = find_missing(store, lines, (0,), use_stereo=False)
    if not missing.incomplete:
        return
    text = f"{split_path}: {missing.incomplete} of {len(lines)} test images are missing ({missing.examples[0]})"
    if missing.archives:
        text += f"; or extract {', '.join(missing.archives)} ({missing.archive_source})"
    raise UserError(text)


def from_network(
    trained: TrainedDepth,
    store: SizedStore,
    lines: list[SplitLine],
    *,
    batch_size: int,
    num_workers: int,
    post_process: bool,
) -> Iterator[np.ndarray]:
    """(H, W) scaled disparity at the network's size for each line: float32, or float64 after post-processing.

    Threads read the images: Pillow decodes and resizes outside Python's lock.
    """
    with ThreadPoolExecutor(num_workers) as threads:
        images = ordered_map(threads, lambda line: store.read(*line), lines, ahead=2 * batch_size + num_workers)
        while batch := list(islice(images, batch_size)):
            pixels = np.stack(batch)
            disparity = trained.disparity(pixels).cpu().numpy()
            if post_process:
                of_flipped = trained.disparity(pixels, flip=True).cpu().numpy()
                disparity = merge_flipped(disparity, of_flipped[:, :, ::-1])
            yield from disparity


def from_file(path: Path, count: int) -> np.ndarray:
    """(count, H, W) scaled disparities as --save_pred writes them; also (count, 1, H, W). Mapped, not read at once."""
    try:
        disparities = np.load(path, mmap_mode="r")
        if not isinstance(disparities, np.ndarray):
            raise ValueError("an archive of several arrays")
        if disparities.ndim == 4 and disparities.shape[1] == 1:
            disparities = disparities[:, 0]
        if disparities.ndim != 3 or not disparities.size or disparities.dtype.kind != "f" or disparities.itemsize > 8:
            raise ValueError(f"shape {disparities.shape}, type {disparities.dtype}")
    except FileNotFoundError:
        raise UserError(f"--load_pred {path}: there is no such file") from None
    except Exception as error:  # what numpy raises for a damaged file depends on where the damage is
        if may_pass(error):
            raise
        raise UserError(
            f"--load_pred {path}: not an .npy file of disparities (images, height, width) ({error})"
        ) from None
    if len(disparities) != count:
        raise UserError(f"--load_pred {path}: {len(disparities)} disparity maps, but the split has {count} test images")
    return disparities


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
