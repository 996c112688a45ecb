"""A few training steps as a short job of their own, before the long one may start."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path

import submitit

from litemono.engine.settings import TrainingConfig
from litemono.jobs import memory
from litemono.jobs.admission import Request, check_request, find_partition
from litemono.jobs.batch_script import SlurmConfig, memory_per_node, python_of, slurm_parameters
from litemono.jobs.cluster import Cluster, Partition
from litemono.jobs.more_flags import sbatch_flags
from litemono.jobs.train_job import TrainJob
from litemono.utils.errors import UserError

STEPS = 20
VALIDATION_STEPS = 4
MINUTES = 15


@dataclass
class PreflightJob(TrainJob):
    """A short training that shows whether the long one can start; leaves nothing but its log."""

    def __call__(self) -> str:
        shutil.rmtree(self.config.folder, ignore_errors=True)  # of one that was killed
        try:
            answer = super().__call__()
        finally:
            shutil.rmtree(self.config.folder, ignore_errors=True)
        print("preflight: training works", flush=True)
        return answer


def preflight_config(config: TrainingConfig, on_cpu: bool) -> TrainingConfig:
    """The same training cut down to a few steps, in a folder inside the run folder.

    On a CPU with two samples a step, and without what is the GPU's alone.
    """
    optim = config.optim
    if on_cpu:
        optim = replace(optim, batch_size=2, accumulate=1, precision=None, sync_bn=False)
    run = replace(
        config.run, log_dir=config.folder, model_name="preflight", max_steps=STEPS,
        max_val_steps=VALIDATION_STEPS, device="cpu" if on_cpu else config.run.device,
    )  # fmt: skip
    short = replace(config, optim=optim, run=run)
    if on_cpu:
        groups = {field.name: getattr(short, field.name) for field in fields(short)}
        plain = {name: replace(group, compile=False) for name, group in groups.items() if hasattr(group, "compile")}
        short = replace(short, **plain)
    return short


def submit(
    settings: SlurmConfig, request: Request, cluster: Cluster, job: TrainJob, folder: Path, code: Path | None
) -> submitit.Job:
    """A short `job` on one GPU, or on a CPU where --preflight_partition has no GPUs; `folder` gets its log."""
    run = job.config
    name = settings.preflight_partition
    on_cpu = request.gpus == 0 or name in cluster.partitions and not cluster.partitions[name].max_gpus
    gpus = 0 if on_cpu else 1
    small = replace(
        request, partition=name, nodes=1, gpus=gpus, cpus=settings.cpus_per_task, minutes=MINUTES,
        memory=min(request.memory, memory_per_node(settings, gpus)),
        constraint=None if on_cpu else request.constraint,
    )  # fmt: skip
    partition = preflight_partition(cluster, small, settings.partition)
    small = replace(small, partition=partition.name, minutes=min(small.minutes, partition.max_minutes))
    if settings.mem is None:
        small = memory.fitted(cluster, small)
    check_request(cluster, small)
    short = preflight_config(run, on_cpu)
    own = replace(settings, partition=partition.name, constraint=small.constraint, warning_seconds=30)
    parameters = slurm_parameters(own, small, [short], code)
    parameters |= {"job_name": f"{run.folder.name}-preflight", "teardown": None}
    parameters["additional_parameters"] = sbatch_flags(settings.sbatch) or None
    executor = submitit.SlurmExecutor(folder, python=python_of(own, [short]))
    executor.update_parameters(**{key: value for key, value in parameters.items() if value is not None})
    return executor.submit(PreflightJob(job.train, short, job.command))


def preflight_partition(cluster: Cluster, small: Request, wanted: str | None) -> Partition:
    """The named one, else of those that could run it the one with the shortest limit: their queues are short too."""
    if small.partition is not None:
        return find_partition(cluster, small)
    fitting = []
    for partition in cluster.partitions.values():
        request = replace(small, partition=partition.name, minutes=min(small.minutes, partition.max_minutes))
        try:
            fitting.append(check_request(cluster, request))
        except UserError:
            continue
    if not fitting:
        return check_request(cluster, replace(small, partition=wanted))  # says what is wrong
    return min(fitting, key=lambda partition: partition.max_minutes)
