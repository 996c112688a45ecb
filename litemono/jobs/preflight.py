"""A few training steps as a short job of their own, before the long one may start."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import submitit

from litemono.config import TrainConfig
from litemono.jobs import slurm
from litemono.jobs.batch_script import MEMORY_PER_GPU, SlurmConfig, request_of, slurm_parameters
from litemono.jobs.cluster_limits import Cluster, Partition, Request, check_request, find_partition
from litemono.jobs.requeue import TrainJob
from litemono.utils.atomic_files import write_atomically
from litemono.utils.errors import UserError

STEPS = 20
VALIDATION = 16  # samples
MINUTES = 15


@dataclass
class PreflightJob(TrainJob):
    """A short training that shows whether the long one can start; leaves nothing but its log."""

    def __call__(self) -> str:
        lists = self.config.folder.with_name("preflight_split")
        shutil.rmtree(self.config.folder, ignore_errors=True)  # of one that was killed
        try:
            self.config = with_short_lists(self.config, lists)
            answer = super().__call__()
        finally:
            for folder in (self.config.folder, lists):
                shutil.rmtree(folder, ignore_errors=True)
        print("preflight: training works", flush=True)
        return answer


def preflight_config(config: TrainConfig, on_cpu: bool) -> TrainConfig:
    """The same training cut down to a few steps, in a folder inside the run folder.

    On a CPU with two samples a step, and without what is the GPU's alone.
    """
    optim = config.optim
    if on_cpu:
        optim = replace(optim, batch_size=2, accumulate=1, precision=None, compile=False, sync_bn=False)
    run = replace(
        config.run, log_dir=config.folder, model_name="preflight", max_steps=STEPS,
        device="cpu" if on_cpu else config.run.device,
    )  # fmt: skip
    return replace(config, optim=optim, run=run)


def with_short_lists(config: TrainConfig, folder: Path) -> TrainConfig:
    """The same with a few samples from all over the split, so that validation is short too; `folder` gets their lists.

    A folder of videos has no lists and stays as it is.
    """
    from litemono.data.datasets import registry
    from litemono.data.splits import read_split, split_file

    split = config.data.split or registry.get(config.data.dataset).default_split
    if split is None:
        return config
    for which, count in (("train", STEPS * config.optim.batch_size), ("val", VALIDATION)):
        lines = read_split(split_file(split, which))
        chosen = lines[:: max(1, len(lines) // count)][:count]
        text = "".join(f"{line}\n" for line in chosen)
        write_atomically(folder / f"{which}_files.txt", text.encode())
    return replace(config, data=replace(config.data, split=str(folder)))


def submit(settings: SlurmConfig, offer: Cluster, run: TrainConfig, folder: Path) -> submitit.Job:
    """A short job on one GPU, or on a CPU where --preflight_partition has no GPUs; `folder` gets its log."""
    request = request_of(settings)
    name = settings.preflight_partition
    on_cpu = request.gpus == 0 or name in offer.partitions and not offer.partitions[name].most_gpus
    gpus = 0 if on_cpu else 1
    small = replace(
        request, partition=name, nodes=1, gpus=gpus, cpus=settings.cpus_per_task, minutes=MINUTES,
        memory=min(request.memory, slurm.megabytes(settings.mem or MEMORY_PER_GPU)),
        constraint=None if on_cpu else request.constraint,
    )  # fmt: skip
    partition = preflight_partition(offer, small, settings.partition)
    small = replace(small, partition=partition.name, minutes=min(small.minutes, partition.max_minutes))
    check_request(offer, small)
    short = preflight_config(run, on_cpu)
    own = replace(settings, partition=partition.name, constraint=small.constraint, warning_seconds=30)
    parameters = slurm_parameters(own, small, [short])
    parameters |= {"job_name": f"{run.folder.name}-preflight", "teardown": None, "additional_parameters": None}
    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(**{key: value for key, value in parameters.items() if value is not None})
    return executor.submit(PreflightJob(short))


def preflight_partition(offer: Cluster, small: Request, wanted: str | None) -> Partition:
    """The named one, else of those that could run it the one with the shortest limit: their queues are short too."""
    if small.partition is not None:
        return find_partition(offer, small)
    fitting = []
    for partition in offer.partitions.values():
        request = replace(small, partition=partition.name, minutes=min(small.minutes, partition.max_minutes))
        try:
            fitting.append(check_request(offer, request))
        except UserError:
            continue
    if not fitting:
        return check_request(offer, replace(small, partition=wanted))  # says what is wrong
    return min(fitting, key=lambda partition: partition.max_minutes)
