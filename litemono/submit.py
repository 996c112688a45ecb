"""python -m litemono.submit: a training run as a Slurm job that goes on by itself until it is finished."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import submitit

from litemono import config as configs
from litemono.data.settings import DataConfig
from litemono.doctor import wheel_problem
from litemono.engine.checkpoint_paths import newest_step
from litemono.engine.run_folder import check_same_run
from litemono.jobs import cluster_limits, follow_log, preflight, slurm, sweep
from litemono.jobs.batch_script import BatchScript, SlurmConfig, check_settings, request_of, slurm_parameters
from litemono.jobs.cluster_limits import Cluster
from litemono.jobs.requeue import TrainJob, run_training
from litemono.status import job_ids
from litemono.tasks.monodepth_settings import TrainConfig
from litemono.utils import cli
from litemono.utils.atomic_files import read_json, write_atomically
from litemono.utils.errors import UserError

ENDLESS = 1_000_000  # time limits a run may reach; submitit wants a number


@dataclass(frozen=True)
class JobDataConfig(DataConfig):
    """Where the frames are and how they are read."""

    num_workers: int | None = None
    """Threads that read frames, for each training process. Default: --cpus_per_task, at most 8."""


@dataclass(frozen=True)
class SubmitConfig(TrainConfig):
    """A training run and its Slurm job."""

    data: JobDataConfig = field(default_factory=JobDataConfig)
    slurm: SlurmConfig = field(default_factory=SlurmConfig)

    @property
    def train(self) -> TrainConfig:
        """The run without its job."""
        groups = {f.name: getattr(self, f.name) for f in dataclasses.fields(TrainConfig)}
        values = {f.name: getattr(self.data, f.name) for f in dataclasses.fields(DataConfig)}
        if self.data.num_workers is None:
            values["num_workers"] = min(8, self.slurm.cpus_per_task)
        return TrainConfig(**{**groups, "data": DataConfig(**values)})


def submit(config: SubmitConfig) -> int:
    """Queue a training run as a Slurm job that survives time limits, preemption and broken nodes until it is finished.

    Example: python -m litemono.submit --partition gpu --data_path kitti_data --model_name mytrain --setup "module load cuda"
    """
    settings = config.slurm
    check_settings(settings)
    runs = sweep.expand(config.train, settings.sweep)
    for run in runs:
        configs.check(run)
        check_same_run(run)
    offer = check_cluster(settings, runs) if settings.cluster == "slurm" else None
    check_data_and_weights(runs)
    if settings.cluster == "debug":
        return train_here(runs)
    if settings.cluster == "local":
        return submit_locally(settings, runs[0])
    if settings.dry_run:
        script = BatchScript(log_folder(settings, runs))
        script.update_parameters(**slurm_parameters(settings, request_of(settings), runs))
        print(script.text(len(runs)), end="")
        return 0
    return submit_to_slurm(settings, offer, runs)


# ---------------------------------------------------------------- checks


def check_cluster(settings: SlurmConfig, runs: list[TrainConfig]) -> Cluster | None:
    """What the cluster offers, after comparing it with the request; None for a dry run where there is no Slurm."""
    if not slurm.available():
        if not settings.dry_run:
            raise UserError(
                "there is no Slurm on this machine (no sbatch): log in to the cluster, or use --cluster local"
            )
        print("there is no Slurm on this machine: the request was not compared with a cluster", file=sys.stderr)
        return None
    offer, request = cluster_limits.read_cluster(), request_of(settings)
    partition = cluster_limits.check_request(offer, request)
    nodes = cluster_limits.nodes_for(partition, request)
    if request.gpus and (problem := wheel_problem([kind for node in nodes for kind in node.gpus])):
        raise UserError(problem)
    check_not_queued(runs)
    return offer


def check_not_queued(runs: list[TrainConfig]) -> None:
    """Two jobs in one run folder would undo each other's work."""
    jobs = slurm.queue()
    for run in runs:
        known = job_ids(read_json(run.folder / "status.json"), read_json(run.folder / "job.json"))
        job = next((jobs[job_id] for job_id in known if job_id in jobs), None)
        if job:
            raise UserError(
                f"{run.folder} has job {job.job_id} in the queue already ({job.state}); scancel {job.job_id} first, or use "
                "another --model_name"
            )


def check_data_and_weights(runs: list[TrainConfig]) -> None:
    """Frames of the splits, and weights to start from; the same data is looked at once."""
    from litemono.engine.distributed import World
    from litemono.tasks import monodepth  # brings torch, which --help does not need

    seen = set()
    for run in runs:
        key = repr((run.data, run.loss.frame_ids, run.loss.use_stereo, run.model.height, run.model.width))
        if key not in seen:
            seen.add(key)
            monodepth.build_data(run, World("cpu"))
        if not newest_step(run.folder):
            monodepth.load_initial_weights(run, monodepth.build_model(run))


# ---------------------------------------------------------------- Slurm


def submit_to_slurm(settings: SlurmConfig, offer: Cluster, runs: list[TrainConfig]) -> int:
    """Submit, tell, and with --wait follow. A preflight goes first and takes the run with it when it fails."""
    parameters = slurm_parameters(settings, request_of(settings), runs)
    trial = None
    try:
        if settings.preflight:
            trial = preflight.submit(settings, offer, runs[0], log_folder(settings, runs))
            parameters["dependency"] = f"afterok:{trial.job_id}"
            parameters["additional_parameters"]["kill-on-invalid-dep"] = "yes"
        jobs = submit_jobs(log_folder(settings, runs), parameters, runs)
    except submitit.core.utils.FailedJobError as error:
        if trial:
            slurm.call("scancel", trial.job_id)
        raise UserError(f"sbatch refused the job: {str(error).strip().splitlines()[-1]}") from None
    for job, run in zip(jobs, runs, strict=True):
        note_job(run.folder, job)
    tell(settings, cluster_limits.check_request(offer, request_of(settings)).name, jobs, runs, trial)
    if not settings.wait:
        return 0
    if trial and follow_log.follow(trial.job_id, trial.paths.stdout):
        return 1
    return follow_log.follow(jobs[0].job_id, jobs[0].paths.stdout)


def submit_jobs(folder: Path, parameters: dict, runs: list[TrainConfig]) -> list[submitit.Job]:
    """One job, or one array."""
    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(**parameters)
    if len(runs) == 1:
        return [executor.submit(TrainJob(runs[0]))]
    with executor.batch():
        return [executor.submit(TrainJob(run)) for run in runs]


def log_folder(settings: SlurmConfig, runs: list[TrainConfig]) -> Path:
    """Where submitit keeps the batch script, its arguments and the logs."""
    return (runs[0].folder.parent if settings.sweep else runs[0].folder) / "slurm"


def note_job(folder: Path, job: submitit.Job) -> None:
    """Leave the job's id in the run folder, for litemono.status and for the next submission."""
    text = json.dumps({"job_id": job.job_id, "log": str(job.paths.stdout), "submitted": time.time()})
    write_atomically(folder / "job.json", (text + "\n").encode())


# ---------------------------------------------------------------- this machine, and what is told


def train_here(runs: list[TrainConfig]) -> int:
    """One after the other in this process; a signal ends them all. The worst exit status."""
    worst = 0
    for run in runs:
        worst = max(worst, run_training(run))
        if worst > cli.SIGNAL_BASE:
            break
    return worst


def submit_locally(settings: SlurmConfig, run: TrainConfig) -> int:
    """The same job object in processes in the background."""
    executor = submitit.LocalExecutor(log_folder(settings, [run]))
    executor.update_parameters(
        gpus_per_node=settings.gpus_per_node,
        tasks_per_node=max(1, settings.gpus_per_node),
        timeout_min=ENDLESS,
        stderr_to_stdout=True,
        setup=list(settings.setup),
    )
    job = executor.submit(TrainJob(run))
    print(f"process {job.job_id}: {run.folder}, log {job.paths.stdout}; `kill {job.job_id}` saves and stops it")
    if not settings.wait:
        return 0
    with follow_log.Tail(job.paths.stdout) as tail:
        while not job.done():
            tail.show()
            time.sleep(follow_log.LOG_SECONDS)
        tail.show()
    return 0 if job.paths.result_pickle.exists() else 1


def tell(settings: SlurmConfig, partition: str, jobs: list, runs: list[TrainConfig], trial) -> None:
    """Job, folder, log, and what to type next."""
    if trial:
        print(
            f"preflight  job {trial.job_id}: {preflight.STEPS} steps; the run starts after it, or not at all if it fails"
        )
        print(f"  log         {trial.paths.stdout}")
    where = f"{settings.nodes} x {settings.gpus_per_node} GPUs in {settings.partition or partition}, {settings.time} at a time"
    for job, run in zip(jobs, runs, strict=True):
        print(f"job {job.job_id}: {where}\n  run folder  {run.folder}\n  log         {job.paths.stdout}")
    job_id = jobs[0].job_id.split("_")[0]
    log_dir = runs[0].folder.parent
    print(
        f"next:  python -m litemono.status --log_dir {log_dir} --watch\n"
        f"       tail -F {jobs[0].paths.stdout}\n"
        f"       scancel {job_id}    (the run stays; the same submit command goes on with it)"
    )


def main() -> None:
    cli.run(submit, SubmitConfig, "litemono.submit")


if __name__ == "__main__":
    main()
