"""Ground truth, predictions of other programs, and velodyne scans."""

from __future__ import annotations

import io
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from tiny_kitti import DRIVE, write_calibration, write_scan

from evaluate.sources import prediction_files, predictions
from export_gt import files
from litemono.data.kitti.velodyne import in_view, load_scan, velodyne_depth
from litemono.data.splits import SplitLine

from ..mutations import damaged_bytes, damaged_npy, damaged_zip, zip_bytes
from .base import Kind, Use
from .tensors import Attack

LINES = [SplitLine(DRIVE, frame, "l") for frame in (1, 2)]
MAPS = [np.random.default_rng(frame).uniform(1, 80, (4, 6)).astype(np.float32) for frame in (1, 2)]


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def written(write: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file.npz")
        return (Path(folder) / "file.npz").read_bytes()


def members(archive: bytes) -> dict[str, bytes]:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


OURS = written(lambda path: files.write(path, LINES, MAPS))
PUBLISHED = written(lambda path: files.write_published(path, MAPS))
NAMED = zip_bytes({"000001.npy": npy(MAPS[0]), "000002.npy": npy(MAPS[1])})
OBJECTS = np.empty(2, object)
OBJECTS[:] = [Attack(), MAPS[0]]
HOSTILE = zip_bytes({"data.npy": npy(OBJECTS, allow_pickle=True)})
HUGE = zip_bytes({"data.npy": npy(np.zeros((1, 20_000, 20_000), np.float32))})
BARE = zip_bytes({"data.npy": npy(OBJECTS, allow_pickle=True)[:128] + pickle.dumps(Attack())})
MAP_ARRAYS = [npy(np.stack(MAPS)), npy(np.stack(MAPS)[:, None]), npy(np.stack(MAPS)[..., None].astype(np.float64))]


def npy_strategy(whole: bytes) -> st.SearchStrategy[bytes]:
    return damaged_npy([whole])


def use_ground_truth(folder: Path) -> Use:
    path = folder / "gt_depths.npz"

    def use(data: bytes) -> None:
        path.write_bytes(data)
        truth = files.GroundTruth(path)
        for index in range(min(len(truth), 5)):
            truth[index].sum()

    return use


def use_predictions(folder: Path) -> Use:
    """An array of all maps, or an archive of named ones."""

    def use(data: bytes) -> None:
        path = folder / ("pred.npz" if data[:2] == b"PK" else "pred.npy")
        path.write_bytes(data)
        if prediction_files.is_one_array(path):
            for values in predictions.from_file(path, 2, "street", "disparity"):
                np.asarray(values).sum()
        else:
            named = prediction_files.open_named(path, "disparity", 256.0)
            for index in range(min(len(named.names), 5)):
                named.read(index)

    return use


def use_scan(folder: Path) -> Use:
    write_calibration(folder)
    day, path = folder / DRIVE.split("/")[0], write_scan(folder, 1, [(5.0, 0.0, 0.0, 0.0)])

    def use(data: bytes) -> None:
        path.write_bytes(data)
        for vel_depth in (False, True):
            velodyne_depth(day, path, vel_depth=vel_depth)
        in_view(day, load_scan(path))

    return use


@st.composite
def odd_scans(draw: Callable) -> bytes:
    """Points of any numbers, also those that no scanner gives."""
    numbers = st.one_of(st.floats(width=32), st.sampled_from((0.0, -0.0, 1e-38, 3e38, 5.0)))
    count = draw(st.integers(0, 12))
    values = draw(st.lists(numbers, min_size=4 * count, max_size=4 * count))
    return np.array(values, "<f4").tobytes() + draw(st.binary(max_size=3))


SCAN = np.array([[5.0, 0.1, 0.2, 0.0], [10.0, 1.0, 0.5, 0.0], [20.0, -1.0, 0.5, 0.0]], "<f4").tobytes()
GROUND_TRUTH = Kind("ground truth npz", [OURS, PUBLISHED], st.one_of(
    damaged_zip(members(OURS), npy_strategy), damaged_zip(members(PUBLISHED), npy_strategy), damaged_bytes([OURS, PUBLISHED]),
    st.sampled_from((HOSTILE, HUGE, BARE))), use_ground_truth)  # fmt: skip
PREDICTIONS = Kind("prediction arrays", [*MAP_ARRAYS, NAMED, zip_bytes({"arr_0.npy": MAP_ARRAYS[0]})], st.one_of(
    damaged_npy(MAP_ARRAYS), damaged_zip(members(NAMED), npy_strategy), st.sampled_from((HOSTILE, HUGE, BARE))),
    use_predictions)  # fmt: skip
SCANS = Kind("velodyne scans", [SCAN, b""], st.one_of(odd_scans(), damaged_bytes([SCAN])), use_scan)
