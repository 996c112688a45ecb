"""The part of benchmarks.loader on samples with ground truth: CPU time of a sample, and what a training waits for data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from litemono.data.datasets.kitti_depth import KITTI_DEPTH
from litemono.data.depth_data import open_fitted
from litemono.data.depth_samples import DepthSamples, MixedSamples
from litemono.data.depth_source import DepthUnit
from litemono.data.loader import Loader
from litemono.data.splits import SplitLine
from litemono.data.stores import packed_index
from litemono.data.stores.drive_maps import Pictures, pictures_file
from litemono.data.stores.folder import resized

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"
MEASURED = 0.16  # of the pixels, as in KITTI's annotations
PACKED_FRAMES = 240  # 310 MB: more than the processor's caches hold
BATCH = 8
THREADS = 2
STEP_RATES = (100, 300)  # images/s of a training that leaves the processor idle, as one on a GPU does
STEPS = 30
IN_FOLDER = 16  # frames


@dataclass(frozen=True)
class DepthResult:
    """One way to read an image with its depth."""

    name: str
    cpu_ms: float  # per sample
    samples_per_core_second: float
    ratio: float  # to the folder of .png
    waited: dict[str, float]
    """Share of the time that a training at so many images/s waits for data, with two threads."""


def compare_depth(root: Path, frames: list[Image.Image], height: int, width: int, samples: int) -> list[DepthResult]:
    """Time a folder of .png with annotations, and a pack of the same numbers."""
    frames, rng = frames[:IN_FOLDER], np.random.default_rng(0)
    shape = frames[0].height, frames[0].width
    depth = [
        np.where(rng.random(shape) < MEASURED, rng.integers(512, 20480, shape), 0).astype(np.uint16) for _ in frames
    ]
    write_folder(root / "folder", frames, depth)
    write_pack(root / "pack", frames, depth, height, width)
    results: list[DepthResult] = []
    for name, folder, count, total in (
        ("folder of .png with depth", "folder", len(frames), samples),
        ("packed with depth", "pack", PACKED_FRAMES, 20 * samples),
    ):
        data = opened(root / folder, count, height, width)
        cpu_ms = cpu_per_sample(data, max(total // BATCH, 2))
        waited = {str(rate): waiting(data, rate) for rate in STEP_RATES}
        ratio = results[0].cpu_ms / cpu_ms if results else 1.0
        results.append(DepthResult(name, cpu_ms, 1000 / cpu_ms, ratio, waited))
    return results


def write_folder(root: Path, frames: list[Image.Image], depth: list[np.ndarray]) -> None:
    for number, (frame, values) in enumerate(zip(frames, depth, strict=True)):
        for path, image in (
            (KITTI_DEPTH.frame_path(root, DRIVE, number, "l", ".png"), frame),
            (KITTI_DEPTH.pictures["depth"].path(root, DRIVE, number, "l"), Image.fromarray(values)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)


def write_pack(root: Path, frames: list[Image.Image], depth: list[np.ndarray], height: int, width: int) -> None:
    """The same frames again and again, so that reading them is reading memory and not the processor's cache."""
    planes = [resized(frame, height, width).transpose(2, 0, 1).tobytes() for frame in frames]
    path = packed_index.frames_file(root, KITTI_DEPTH, DRIVE, "l")
    path.parent.mkdir(parents=True)
    of_depth = pictures_file(root, KITTI_DEPTH, "depth", DRIVE, "l")
    with open(path, "wb") as images, open(of_depth, "wb") as truths:
        for number in range(PACKED_FRAMES):
            images.write(planes[number % len(frames)])
            truths.write(depth[number % len(frames)].tobytes())
    numbers, nothing = list(range(PACKED_FRAMES)), [0] * PACKED_FRAMES
    native = frames[0].height, frames[0].width
    camera = packed_index.Camera(native, numbers, nothing, {"depth": Pictures(16, native, numbers, nothing)})
    drives = {DRIVE: packed_index.Drive({"l": camera})}
    packed_index.write_index(root, packed_index.PackIndex(KITTI_DEPTH.name, height, width, drives))


def opened(root: Path, count: int, height: int, width: int) -> MixedSamples:
    store = open_fitted(KITTI_DEPTH.name, root, True, "stretch", (height, width))
    lines = [SplitLine(DRIVE, number, "l") for number in range(count)]
    unit = DepthUnit.of(KITTI_DEPTH, None, None)
    return MixedSamples([DepthSamples(store, lines, unit, "metres", "stretch", (height, width))], seed=0, training=True)


def batches(data: MixedSamples, threads: int, steps: int) -> Loader:
    """In an order that jumps from frame to frame."""
    keys = [[(0, (step * BATCH + n) * 7 % len(data)) for n in range(BATCH)] for step in range(steps)]
    return Loader(data, keys, threads, "cpu")


def cpu_per_sample(data: MixedSamples, steps: int) -> float:
    """CPU milliseconds of the loader as training uses it, with one thread."""
    start = time.process_time()
    for _ in batches(data, 1, steps):
        pass
    return 1000 * (time.process_time() - start) / (steps * BATCH)


def waiting(data: MixedSamples, rate: float) -> float:
    """Share of the time waited for batches by a loop that needs BATCH / rate seconds of its own for each."""
    waited, started = 0.0, 0.0
    begin = time.perf_counter()
    for step, _ in enumerate(batches(data, THREADS, STEPS)):
        now = time.perf_counter()
        if step == 0:
            started = now  # the first batch is waited for once a run
        else:
            waited += now - begin
        time.sleep(BATCH / rate)
        begin = time.perf_counter()
    return waited / (begin - started)


def show_depth(results: list[DepthResult]) -> None:
    table = Table(title="One frame with its depth")
    for heading in ("pipeline", "CPU ms", "samples/s/core", "ratio"):
        table.add_column(heading, justify="left" if heading == "pipeline" else "right")
    for rate in STEP_RATES:
        table.add_column(f"data wait, {rate} images/s, {THREADS} threads", justify="right")
    for result in results:
        waits = (f"{share:.1%}" for share in result.waited.values())
        numbers = f"{result.cpu_ms:.2f}", f"{result.samples_per_core_second:.0f}", f"{result.ratio:.1f}x"
        table.add_row(result.name, *numbers, *waits)
    Console(width=max(120, Console().width)).print(table)
