"""python -m benchmarks.loader: how many training samples a core delivers, and where its time goes."""

from __future__ import annotations

import io
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import default_collate

from benchmarks.cold_cache import warm_and_cold
from benchmarks.depth_loader import compare_depth, show_depth
from benchmarks.machine import machine
from benchmarks.published import PublishedPipeline
from benchmarks.record import write_record
from benchmarks.stopwatch import Stopwatch
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.loader import Loader
from litemono.data.sampler import EpochBatches
from litemono.data.splits import SplitLine
from litemono.data.stores import packed, packed_index
from litemono.data.stores.base import SizedStore
from litemono.data.stores.folder import open_store, resized
from litemono.data.triplets import TripletDataset
from litemono.synthetic.sensors import image
from litemono.synthetic.settings import Settings
from litemono.utils import cli
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"
NATIVE_HEIGHT, NATIVE_WIDTH = 375, 1242
STAGES = ("read", "decode", "resize", "jitter", "convert", "copy", "collate")
BATCH = 12
# name, folder, whether of .png, whether a GPU resizes (so the loader only decodes)
PIPELINES = (
    ("folder of .jpg, resized by a GPU", "jpg", False, True),
    ("folder of .jpg", "jpg", False, False),
    ("folder of .png, resized by a GPU", "png", True, True),
    ("folder of .png", "png", True, False),
    ("packed", "packed", False, False),
)
RENDERED = 8  # frames when the user gives none; rendering takes seconds each
PACKED_FRAMES = 1200  # more than the processor's caches hold


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is timed."""

    images: Path | None = None
    """Folder with at least 5 images of one size, such as .../image_02/data of a KITTI drive. Default: rendered ones."""
    height: int = 192
    """Height of the frames in training."""
    width: int = 640
    """Width of the frames in training."""
    samples: int = 60
    """Samples of the slowest pipeline; faster ones do more."""
    json: Path | None = None
    """Also write the results to this file."""


@dataclass(frozen=True)
class Result:
    """One pipeline."""

    name: str
    samples_per_core_second: float
    ratio: float  # to the published pipeline
    cpu_ms: float  # per sample, all of it
    stages_ms: dict[str, float]  # per sample; what is not in a stage is counted to collate


def benchmark(config: BenchmarkConfig) -> None:
    """Time the published kind of pipeline, image folders and packed frames on the same images.

    Example: python -m benchmarks.loader --json loader.json
    """
    measured = compare(config)
    write_record(config.json, {**machine(torch.device("cpu")), "pillow": PIL.__version__}, measured)


def compare(config: BenchmarkConfig) -> dict[str, object]:
    """Time the pipelines, print the table, return it."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="benchmark_loader_") as folder:
        frames = source_frames(config)
        native = frames[0].height, frames[0].width
        files = write_data(Path(folder), frames, config)
        results = [time_published(files, config)]
        for name, root, png, on_device in PIPELINES:
            store = open_store(KITTI_RAW.name, Path(folder) / root, png, config.height, config.width)
            results.append(time_ours(name, store, on_device, config, results[0]))
        pack = open_store(KITTI_RAW.name, Path(folder) / "packed", False, config.height, config.width)
        assert isinstance(pack, packed.PackedStore)
        frames_of_pack = pack.index.drives[DRIVE].cameras["l"].frames
        clock_ms = warm_and_cold(pack, DRIVE, frames_of_pack, config.samples)
        copy_ms = time_copy(config)
        with_depth = compare_depth(Path(folder) / "depth", frames, config.height, config.width, config.samples)
    show(results, copy_ms)
    print(
        "packed, milliseconds by the clock per sample: {warm:.2f} from the page cache, {cold:.2f} from the disk".format(
            **clock_ms
        )
    )
    show_depth(with_depth)
    return {
        "height": config.height,
        "width": config.width,
        "native": native,
        "memory_copy_ms": copy_ms,
        "packed_clock_ms": clock_ms,
        "pipelines": [asdict(result) for result in results],
        "with_depth": [asdict(result) for result in with_depth],
    }


# ---------------------------------------------------------------- data


def write_data(root: Path, frames: list[Image.Image], config: BenchmarkConfig) -> list[Path]:
    """The same frames as .jpg (as the field converts KITTI: quality 92, 4:2:0), as .png and packed; the .jpg files."""
    files = []
    for number, frame in enumerate(frames):
        for name, options in (("jpg", {"quality": 92, "subsampling": "4:2:0"}), ("png", {})):
            path = KITTI_RAW.frame_path(root / name, DRIVE, number, "l", f".{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.save(path, **options)
        files.append(KITTI_RAW.frame_path(root / "jpg", DRIVE, number, "l", ".jpg"))
    write_pack(root / "packed", frames, config.height, config.width)
    return files


def source_frames(config: BenchmarkConfig) -> list[Image.Image]:
    if config.images is None:
        settings = Settings(NATIVE_HEIGHT, NATIVE_WIDTH, drives=1, frames_per_drive=RENDERED)
        return [Image.fromarray(image(settings, 1, number)) for number in range(RENDERED)]
    files = sorted(path for path in config.images.glob("*") if path.suffix in (".png", ".jpg"))
    if len(files) < 5:
        raise UserError(f"--images {config.images}: needs at least 5 .png or .jpg images in this folder")
    frames = [Image.open(path).convert("RGB") for path in files]
    if len({frame.size for frame in frames}) > 1:
        raise UserError(f"--images {config.images}: its images are of several sizes; give those of one drive")
    return frames


def write_pack(root: Path, frames: list[Image.Image], height: int, width: int) -> None:
    """The frames again and again, so that reading them is reading memory and not the processor's cache."""
    path = packed_index.frames_file(root, KITTI_RAW, DRIVE, "l")
    path.parent.mkdir(parents=True)
    content = b"".join(resized(frame, height, width).transpose(2, 0, 1).tobytes() for frame in frames)
    repeats = -(-PACKED_FRAMES // len(frames))
    with open(path, "wb") as file:
        for _ in range(repeats):
            file.write(content)
    count = repeats * len(frames)
    camera = packed_index.Camera((frames[0].height, frames[0].width), list(range(count)), [0] * count)
    packed_index.write_index(
        root, packed_index.PackIndex(KITTI_RAW.name, height, width, {DRIVE: packed_index.Drive({"l": camera})})
    )


# ---------------------------------------------------------------- timing


def time_published(files: list[Path], config: BenchmarkConfig) -> Result:
    stopwatch = Stopwatch()
    pipeline = PublishedPipeline(files, config.height, config.width, stopwatch)
    count = max(BATCH, config.samples // BATCH * BATCH)
    start = time.process_time()
    for first in range(0, count, BATCH):
        samples = [pipeline.sample(1 + index % (len(files) - 2)) for index in range(first, first + BATCH)]
        with stopwatch("collate"):
            default_collate(samples)
    cpu = time.process_time() - start
    return Result("published kind", count / cpu, 1.0, 1000 * cpu / count, stopwatch.per(count))


def time_ours(name: str, store: SizedStore, on_device: bool, config: BenchmarkConfig, published: Result) -> Result:
    """The loader as training uses it, with one thread, and its stages one by one."""
    frames = [frame for frame in range(PACKED_FRAMES) if store.has(DRIVE, frame, "l")]
    lines = [SplitLine(DRIVE, frame, "l") for frame in frames[1:-1]]
    wanted = config.samples * (50 if isinstance(store, packed.PackedStore) else 3)
    lines = (lines * -(-wanted // len(lines)))[:wanted]
    dataset = TripletDataset(
        store,
        lines,
        frame_ids=(0, -1, 1),
        use_stereo=False,
        intrinsics="published",
        color_jitter="per_image",
        seed=0,
        training=True,
    )
    batches = EpochBatches(len(lines), BATCH, seed=0)
    loader = Loader(dataset, batches, num_workers=1, device="cpu")
    start = time.process_time()
    for _ in loader.read(dataset.originals) if on_device else loader:
        pass
    cpu_ms = 1000 * (time.process_time() - start) / (len(batches) * BATCH)
    if isinstance(store, packed.PackedStore):
        stages = packed_stages(store, frames)
    else:
        stages = folder_stages(store, frames, on_device, config.samples)
    stages["collate"] = max(0.0, cpu_ms - sum(stages.values()))
    return Result(name, 1000 / cpu_ms, published.cpu_ms / cpu_ms, cpu_ms, stages)


def folder_stages(store: SizedStore, frames: list[int], on_device: bool, count: int) -> dict[str, float]:
    """CPU milliseconds per sample of what reading an image consists of."""
    stopwatch = Stopwatch()
    target = np.empty((*store.native_size(DRIVE, frames[0], "l"), 3), np.uint8)
    planes = np.empty((3, store.height, store.width), np.uint8)
    for index in range(3 * count):
        path = store.path(DRIVE, frames[index % len(frames)], "l")
        with stopwatch("read"):
            content = path.read_bytes()
        with stopwatch("decode"):
            picture = Image.open(io.BytesIO(content))
            picture.load()
        if on_device:
            with stopwatch("copy"):
                np.copyto(target, np.asarray(picture))
            continue
        with stopwatch("resize"):
            pixels = resized(picture, store.height, store.width)
        with stopwatch("copy"):
            planes[:] = pixels.transpose(2, 0, 1)
    return stopwatch.per(count)


def packed_stages(store: SizedStore, frames: list[int], count: int = 600) -> dict[str, float]:
    """CPU milliseconds per sample of the copy from the page cache to memory that is written anew."""
    stopwatch = Stopwatch()
    order = np.random.default_rng(0).permutation(len(frames) - 3)
    for start in range(0, count, BATCH):
        batch = torch.empty((BATCH, 3, 3, store.height, store.width), dtype=torch.uint8).numpy()
        with stopwatch("copy"):
            for sample, index in zip(batch, np.resize(order, start + BATCH)[start:], strict=True):
                for offset, planes in enumerate(sample):
                    store.read_planes(DRIVE, frames[index + offset], "l", planes)
    return stopwatch.per(count)


def time_copy(config: BenchmarkConfig) -> float:
    """CPU milliseconds of copying one triplet's bytes in memory, from outside the caches: no loader can be faster."""
    source = np.ones((300, 3, 3, config.height, config.width), np.uint8)
    target = np.ones((BATCH, *source.shape[1:]), np.uint8)
    start = time.process_time()
    for index, sample in enumerate(source):
        np.copyto(target[index % BATCH], sample)
    return 1000 * (time.process_time() - start) / len(source)


# ---------------------------------------------------------------- report


def show(results: list[Result], copy_ms: float) -> None:
    table = Table(title="CPU milliseconds per sample (three frames)")
    for heading in ("pipeline", *STAGES, "all", "samples/s/core", "ratio"):
        table.add_column(heading, justify="left" if heading == "pipeline" else "right")
    for result in results:
        stages = (f"{result.stages_ms[stage]:.2f}" if stage in result.stages_ms else "" for stage in STAGES)
        rate = f"{result.samples_per_core_second:.1f}"
        table.add_row(result.name, *stages, f"{result.cpu_ms:.2f}", rate, f"{result.ratio:.1f}x")
    console = Console(width=max(120, Console().width))
    console.print(table)
    console.print(f"copying one sample's bytes in memory: {copy_ms:.2f} ms")


def main() -> None:
    cli.run(benchmark, BenchmarkConfig, "python -m benchmarks.loader")


if __name__ == "__main__":
    main()
