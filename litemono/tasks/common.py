"""What the tasks share: loaders, parameter groups, and what --profile suggests."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import nn

from litemono.data.datasets import registry
from litemono.data.depth_samples import MixedSamples
from litemono.data.depth_settings import DepthDataConfig
from litemono.data.loader import BatchSource, Loader
from litemono.data.mixture import MixedBatches
from litemono.data.sampler import EpochBatches
from litemono.data.settings import FramesConfig, WorkersConfig
from litemono.data.splits import SplitLine
from litemono.data.stores.packed_index import is_pack
from litemono.engine.distributed import Processes
from litemono.engine.lr_schedule import schedule
from litemono.engine.precision import HALF, choose_precision
from litemono.engine.settings import OptimConfig, Precision, TrainingConfig
from litemono.engine.task import Advice, ParameterGroup, TaskData
from litemono.utils.parallel import available_cores


class Samples(BatchSource, Protocol):
    """A data set whose list of samples a resumed run must find unchanged."""

    @property
    def lines(self) -> Sequence[SplitLine]: ...

    @property
    def lossy(self) -> str:
        """How frames were compressed, where that changed their pixels (stores/base.py)."""

    def __len__(self) -> int: ...


def frame_data(
    train: Samples, val: Samples, data: WorkersConfig, config: TrainingConfig, processes: Processes
) -> TaskData:
    """Loaders of both data sets: training in the order of (seed, epoch), validation once, whole and in its own order."""
    order = EpochBatches(len(train), config.optim.batch_size, *share_of(config, processes))
    return _task_data(train, val, order, len(train), data, config, processes)


def depth_data(
    train: MixedSamples, val: MixedSamples, data: DepthDataConfig, config: TrainingConfig, processes: Processes
) -> tuple[TaskData, str]:
    """Loaders of samples with ground truth, mixed by --mix; and what an epoch is, for the log."""
    sizes = [len(samples) for samples in train.sets]
    order = MixedBatches(sizes, data.mix, config.optim.batch_size, *share_of(config, processes))
    return _task_data(train, val, order, order.samples, data, config, processes), order.described(data.names)


def share_of(config: TrainingConfig, processes: Processes) -> tuple[int, int, int]:
    """Seed, rank and number of processes: which batches of an epoch are this process's."""
    return config.run.seed, processes.rank, processes.size


def _task_data(
    train: Samples,
    val: Samples,
    order: EpochBatches | MixedBatches,
    train_samples: int,
    data: WorkersConfig,
    config: TrainingConfig,
    processes: Processes,
) -> TaskData:
    share = share_of(config, processes)
    val_order = EpochBatches(len(val), config.optim.batch_size, *share, shuffle=False, drop_last=False)
    return TaskData(
        train=Loader(train, order, data.threads, processes.device),
        order=order,
        train_samples=train_samples,
        val=Loader(val, val_order, data.threads, processes.device),
        val_samples=len(val),
        fingerprints={"data": fingerprint(train), "validation_data": fingerprint(val)},
    )


def fingerprint(samples: Samples) -> str:
    """Of a list of samples and what compression did to their pixels."""
    listed = f"{len(samples.lines)} samples, crc {zlib.crc32(repr(samples.lines).encode()):08x}"
    return f"{listed}, {samples.lossy}" if samples.lossy else listed


def parameter_groups(parts: Mapping[str, nn.Module | None], config: TrainingConfig) -> list[ParameterGroup]:
    """One group for each network that there is; parts: in the order of the command's learning rates."""
    optim = config.optim
    return [
        ParameterGroup(
            name,
            list(part.parameters()),
            schedule(optim.schedule, rate, optim.num_epochs, optim.warmup_epochs),
            {"weight_decay": optim.weight_decay, "eps": optim.eps},
        )
        for (name, part), rate in zip(parts.items(), config.rates, strict=True)
        if part is not None
    ]


def advice(
    data: FramesConfig,
    optim: OptimConfig,
    device: torch.device,
    precision: Precision,
    flags: tuple[str, ...] = (),
) -> Advice:
    """precision: the one in use; flags: not in use, and the same step computed faster."""
    cores = available_cores()
    faster_data = []
    if data.dataset in registry.PACKABLE and not is_pack(data.data_path):
        faster_data.append("packed frames (python -m litemono.prepare pack)")
    if data.threads < cores:
        faster_data.append(f"a larger --num_workers (now {data.threads}, cores: {cores})")
    best = choose_precision(None, device)
    half = [f"--precision {best}"] if best in HALF and precision not in HALF else []
    a_gpu = ["a GPU"] if device.type == "cpu" else []
    accumulating = ["a smaller --accumulate"] if optim.accumulate > 1 else []
    return Advice(
        data=tuple(faster_data or [f"more CPU cores for the job (now {cores})"]),
        computing=(*a_gpu, *half, *flags, "a smaller --model or --height and --width"),
        launching=(*accumulating, "a larger --batch_size (another training)", *flags, "less loaded CPU cores"),
    )
