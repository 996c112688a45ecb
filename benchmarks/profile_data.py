"""python -m benchmarks.profile_data: whether disk, processor or training device limits training on data of yours."""

from __future__ import annotations

import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from benchmarks.machine import machine
from benchmarks.record import write_record
from litemono.data.batch import Batch
from litemono.data.datasets import registry
from litemono.data.datasets.registry import DatasetName
from litemono.data.loader import Loader
from litemono.data.sampler import EpochBatches
from litemono.data.settings import DataConfig, default_workers
from litemono.data.stores import packed
from litemono.data.stores.base import SizedStore
from litemono.data.triplets import TripletDataset
from litemono.engine.grad_guard import GradGuard
from litemono.engine.precision import apply_precision, choose_precision
from litemono.engine.settings import OptimConfig, RunConfig
from litemono.engine.step import TaskModule, train_step
from litemono.engine.training import adamw
from litemono.tasks.monodepth.settings import Model, ModelConfig, TrainConfig, check
from litemono.tasks.monodepth.task import Monodepth, open_dataset
from litemono.utils import cli
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError

SECONDS = 8.0  # for each part
WARM_UP_STEPS = 3


@dataclass(frozen=True)
class ProfileConfig:
    """How you train."""

    data_path: Path
    """As in training: folder of images, or of packed frames."""
    dataset: DatasetName = registry.DEFAULT.name
    """As in training."""
    split: str | None = None
    """As in training."""
    png: bool = False
    """As in training."""
    skip_missing: bool = False
    """As in training."""
    intrinsics: str = "published"
    """As in training."""
    model: Model = "lite-mono"
    """Depth network."""
    height: int = 192
    """As in training."""
    width: int = 640
    """As in training."""
    batch_size: int = 12
    """Samples per step."""
    num_workers: int = field(default_factory=default_workers)
    """Threads that read frames."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    json: Path | None = None
    """Also write the results to this file."""


def profile(how: ProfileConfig) -> None:
    """Time disk, processor and training device on their own, in samples per second; the slowest is the limit.

    Example: python -m benchmarks.profile_data --data_path kitti_640x192
    """
    config = TrainConfig(
        data=DataConfig(
            data_path=how.data_path,
            dataset=how.dataset,
            split=how.split,
            png=how.png,
            skip_missing=how.skip_missing,
            intrinsics=how.intrinsics,
            num_workers=how.num_workers,
        ),
        model=ModelConfig(model=how.model, height=how.height, width=how.width, weights_init="scratch"),
        optim=OptimConfig(batch_size=how.batch_size),
        run=RunConfig(device=how.device),
    )
    check(config)
    if how.num_workers < 1:
        raise UserError(f"--num_workers {how.num_workers}: must be at least 1")
    dataset = open_dataset(config, "train")
    batches = EpochBatches(len(dataset), how.batch_size, seed=0)
    disk, megabytes = disk_rate(dataset, batches, how.num_workers)
    device = choose_device(how.device)
    processor, cpu_ms, batch = processor_rate(dataset, batches, how.num_workers, device)
    rates = {"disk": disk, "processor": processor, "device": device_rate(config, batch, device)}
    report = {
        "data_path": str(how.data_path),
        "packed": isinstance(dataset.store, packed.PackedStore),
        "num_workers": how.num_workers,
        "device": str(device),
        "cpu_ms_per_sample": cpu_ms,
        "disk_mb_per_s": megabytes,
        "samples_per_s": rates,
        "limit": min(rates, key=rates.get),
    }
    show(report)
    write_record(how.json, machine(device), report)


def disk_rate(dataset: TripletDataset, batches: EpochBatches, num_workers: int) -> tuple[float, float]:
    """(samples/s, MB/s) of reading the files' bytes with as many threads, after asking the system to forget them."""
    keys = (key for batch in batches for key in batch)
    start, count, read = time.perf_counter(), 0, 0
    with ThreadPoolExecutor(num_workers) as threads:
        while count == 0 or time.perf_counter() - start < SECONDS:
            some = list(itertools.islice(keys, 8 * num_workers))
            if not some:
                break
            read += sum(threads.map(lambda key: _read_cold(dataset, key), some))
            count += len(some)
    seconds = time.perf_counter() - start
    return count / seconds, read / seconds / 1e6


def _read_cold(dataset: TripletDataset, key: tuple[int, int]) -> int:
    size = 0
    for name in dataset.frames_of(key[1]):
        path, start, length = _place(dataset.store, *name)
        file = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(file, start, length, os.POSIX_FADV_DONTNEED)
            size += len(os.pread(file, length or os.fstat(file).st_size, start))
        finally:
            os.close(file)
    return size


def _place(store: SizedStore, folder: str, frame: int, side: str) -> tuple[Path, int, int]:
    """(file, first byte, bytes or 0 for all) of a frame."""
    return (
        store.place(folder, frame, side)
        if isinstance(store, packed.PackedStore)
        else (store.path(folder, frame, side), 0, 0)
    )


def processor_rate(
    dataset: TripletDataset, batches: EpochBatches, num_workers: int, device: torch.device
) -> tuple[float, float, Batch]:
    """(samples/s that the cores allow, CPU milliseconds per sample, a batch); waiting for the disk is not counted."""
    on_gpu = device.type == "cuda"  # which then resizes
    torch.zeros(1, device=device)  # wakes it
    start, cpu, count = time.perf_counter(), time.process_time(), 0
    loader = Loader(dataset, batches, num_workers, "cpu")
    for loaded in loader.read(dataset.originals if on_gpu and dataset.store.holds_originals else dataset.batch):
        batch: Batch = loaded.on(device)
        count += len(batch.line)
        if time.perf_counter() - start > SECONDS:
            break
    seconds = (time.process_time() - cpu) / count
    usable = min(num_workers, len(os.sched_getaffinity(0)))
    return usable / seconds, 1000 * seconds, batch


def device_rate(config: TrainConfig, batch: Batch, device: torch.device) -> float:
    """Samples/s of training steps on one batch that is there already."""
    precision = choose_precision(config.optim.precision, device)
    apply_precision(precision)
    task = Monodepth(config)
    networks = task.build(device, precision)
    model = TaskModule(task, networks)
    optimizers = [adamw(group) for group in task.parameter_groups(networks)]
    guard = GradGuard(device, precision)

    def step() -> None:
        train_step(
            model,
            optimizers,
            batch,
            guard,
            device=device,
            precision=precision,
            accumulate=1,
            spike_factor=0.0,
        )

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(WARM_UP_STEPS if device.type == "cuda" else 1):
        step()
    wait()
    start, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - start < SECONDS:
        step()
        steps += 1
    wait()
    return steps * len(batch.line) / (time.perf_counter() - start)


def show(report: dict[str, object]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    rates, limit = report["samples_per_s"], report["limit"]
    details = {
        "disk": f"{report['disk_mb_per_s']:.0f} MB/s, not from the system's memory",
        "processor": f"{report['cpu_ms_per_sample']:.2f} ms of CPU per sample, {report['num_workers']} threads",
        "device": f"training steps on {report['device']}",
    }
    for name, detail in details.items():
        console.print(
            f"{name:>10}: {rates[name]:8.1f} samples/s  ({detail}){'  <- the limit' if name == limit else ''}"
        )
    advice = {
        "disk": "the disk is the limit: put the data on a faster one, or into the job's local scratch",
        "processor": "the processor is the limit: ask for more cores (--cpus-per-task), with --num_workers as many",
        "device": "the training device is the limit: the data keeps up with it",
    }[limit]
    if limit != "device" and not report["packed"]:
        advice += "; packed frames need a fraction of it (python -m litemono.prepare pack)"
    console.print(advice)


def main() -> None:
    cli.run(profile, ProfileConfig, "python -m benchmarks.profile_data")


if __name__ == "__main__":
    main()
