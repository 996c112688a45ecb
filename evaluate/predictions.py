"""Where the disparities come from: a network looking at the test images, or a file of another program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from evaluate.protocol import merge_flipped, resize_disparity, valid_pixels
from litemono.data.missing_frames import find_missing
from litemono.data.splits import SPLITS, SplitLine
from litemono.data.stores.base import FrameStore, SizedStore
from litemono.inference import TrainedDepth
from litemono.utils.atomic_files import may_pass, replacing
from litemono.utils.errors import UserError
from litemono.utils.parallel import ordered_map

BENCHMARK, EIGEN_IMAGES = "eigen_benchmark", 697
BENCHMARK_IDS = SPLITS / "benchmark" / "eigen_to_benchmark_ids.npy"
JUDGED, SAMPLED = 50, 2000  # images, and pixels of each, whose ranks are compared with the depth's
GROWS_WITH_DEPTH = 0.3  # a useful disparity's correlation with depth is below -0.5, noise is near 0


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


def from_file(path: Path, count: int, split_name: str = "") -> np.ndarray:
    """(count, H, W) scaled disparities, as --save_pred writes them or in another program's form.

    An .npy is mapped, not read at once; an .npz may hold one array. Also (count, 1, H, W), (count, H, W, 1), and Eigen's
    697 for the 652 of eigen_benchmark. UserError says what else is in the file.
    """
    try:
        disparities = one_channel(only_array(np.load(path, mmap_mode="r")))
        if disparities.ndim != 3 or not disparities.size or disparities.dtype.kind != "f" or disparities.itemsize > 8:
            raise ValueError(f"shape {disparities.shape}, type {disparities.dtype}")
    except FileNotFoundError:
        raise UserError(f"--load_pred {path}: there is no such file") from None
    except Exception as error:  # what numpy raises for a damaged file depends on where the damage is
        if may_pass(error):
            raise
        raise UserError(
            f"--load_pred {path}: not an .npy file, or .npz with one array, of disparities (images, height, width) ({error})"
        ) from None
    disparities = of_benchmark(disparities, split_name)
    if len(disparities) != count:
        raise UserError(f"--load_pred {path}: {len(disparities)} disparity maps, but the split has {count} test images")
    return disparities


def only_array(loaded: np.ndarray | np.lib.npyio.NpzFile) -> np.ndarray:
    """What np.load gave, or the one array of an .npz; ValueError names the arrays of another."""
    if isinstance(loaded, np.ndarray):
        return loaded
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


def of_benchmark(maps: np.ndarray, split_name: str) -> np.ndarray:
    """Of predictions for Eigen's 697 test images those that eigen_benchmark has ground truth for; others as they are."""
    if split_name != BENCHMARK or len(maps) != EIGEN_IMAGES:
        return maps
    return maps[np.load(BENCHMARK_IDS)]


def depth_correlation(truth: np.ndarray, disparity: np.ndarray, crop: bool) -> float:
    """Rank correlation (Spearman) of a prediction with the true depth at the pixels that count.

    truth: (H, W) metres; disparity: (h, w). A useful disparity falls with depth: near -1. nan where one is constant.
    """
    valid = valid_pixels(truth, crop)
    values = truth[valid], resize_disparity(disparity, *truth.shape)[valid]
    step = len(values[0]) // SAMPLED + 1
    ranks = [np.unique(part[::step], return_inverse=True)[1] for part in values]
    if any(len(np.unique(rank)) < 2 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def checked_direction(
    path: Path, disparities: Iterable[np.ndarray], truth: Sequence[np.ndarray], crop: bool
) -> Iterator[np.ndarray]:
    """The maps; UserError at the end where their numbers grow with the true depth: depths, not disparities."""
    found = []
    for index, disparity in enumerate(disparities):
        yield disparity
        if index < JUDGED:
            found.append(depth_correlation(truth[index], disparity.astype(np.float32), crop))
    found = [value for value in found if np.isfinite(value)]
    if found and np.median(found) > GROWS_WITH_DEPTH:
        raise UserError(
            f"--load_pred {path}: its numbers grow with the true depth (rank correlation {np.median(found):.2f}), so these are "
            "depths, not disparities; save 1 / depth and evaluate that"
        )


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
