"""python -m litemono.submit [COMMAND]: a training as a Slurm job that requeues itself until the run is finished.

COMMAND is one of the training commands (tasks/__init__.py); without it litemono.train.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import submitit

from litemono import tasks
from litemono.data.stores.pack_size import packed_bytes
from litemono.diagnosis.gpu import wheel_problem
from litemono.engine.checkpoint_paths import newest_step
from litemono.engine.settings import OptimConfig, RunConfig, TrainingConfig
from litemono.jobs import admission, environment, follow_log, memory, more_flags, preflight, slurm, snapshot, sweep
from litemono.jobs.admission import Request
from litemono.jobs.batch_script import (
    BatchScript,
    SlurmConfig,
    check_log_folder,
    check_settings,
    log_folder,
    python_of,
    slurm_parameters,
)
from litemono.jobs.cluster import Cluster, read_cluster
from litemono.jobs.runs import job_ids
from litemono.jobs.train_job import Train, TrainJob, run_training
from litemono.tasks import TrainingCommand
from litemono.utils import cli
from litemono.utils.atomic_files import read_json, write_atomically
from litemono.utils.commit import typed_command
from litemono.utils.errors import UserError, require

NO_TIME_LIMIT = 1_000_000  # minutes; submitit needs a number


Config = TypeVar("Config", bound=TrainingConfig)


@dataclass(frozen=True)
class Submission(Generic[Config]):
    """A training run and its Slurm job."""

    training: Config
    slurm: SlurmConfig = field(default_factory=SlurmConfig)


def submit(config: Submission, command: TrainingCommand = tasks.COMMANDS["train"]) -> int:
    """Queue a training run as a Slurm job that survives time limits, preemption and broken nodes until it is finished.

    The word after submit is the training command: train (the default), finetune, segment or refine.

    Example: python -m litemono.submit --partition gpu --data_path kitti_data --model_name mytrain --setup "module load cuda"
    """
    environment.leave_torchrun()
    settings = environment.with_defaults(config.slurm)
    check_settings(settings)
    require(
        settings.sweep or not config.training.run.stop_early,
        "--stop_early compares the runs of a sweep: add one, such as --sweep lr=1e-4,5e-5, or leave it out",
    )
    from litemono.engine.resume import check_same_run  # brings torch, which --help does not need

    train: Train = tasks.resolve(command.run)
    runs = sweep.expand(config.training.for_cores(settings.cpus_per_task), settings.sweep)
    for run in runs:
        tasks.resolve(command.check)(run)
        check_same_run(run)
    check_log_folder(settings, runs)
    cluster = find_cluster(settings) if settings.cluster == "slurm" else None
    request = memory.choose(settings, cluster, max(map(packed_bytes, runs)))
    if cluster:
        check_cluster(cluster, settings, request, runs)
    check_data_and_weights(command, runs)
    if settings.cluster == "debug":
        return train_here(train, runs)
    if settings.cluster == "local":
        return submit_locally(settings, train, runs[0])
    logs, code = log_folder(settings, runs), None if settings.follow_checkout else snapshot.of_checkout()
    script = BatchScript(logs, python=python_of(settings, runs))
    script.update_parameters(**slurm_parameters(settings, request, runs, code.path(logs) if code else None))
    if cluster:
        environment.check_with_sbatch(script.text(len(runs)), settings.sbatch)
    if settings.dry_run:
        print(script.text(len(runs)), end="")
        print(memory_line(request), file=sys.stderr)
        return 0
    assert cluster is not None, "only a dry run has no cluster"
    return submit_to_slurm(settings, request, cluster, code, [TrainJob(train, run, typed_command()) for run in runs])


# ---------------------------------------------------------------- checks


def find_cluster(settings: SlurmConfig) -> Cluster | None:
    """What the cluster has; None for a dry run where there is no Slurm."""
    if not slurm.available():
        if not settings.dry_run:
            raise UserError(
                "there is no Slurm on this machine (no sbatch): log in to the cluster, or use --cluster local"
            )
        print("there is no Slurm on this machine: the request was not compared with a cluster", file=sys.stderr)
        return None
    environment.check_one_cluster()
    return read_cluster()


def check_cluster(cluster: Cluster, settings: SlurmConfig, request: Request, runs: list[TrainingConfig]) -> None:
    """UserError where the cluster could never run what is asked for, or has a job of the same run."""
    partition = admission.check_request(cluster, request)
    admission.check_submission(cluster, partition, request, len(runs), before=int(settings.preflight))
    nodes = admission.nodes_for(partition, request)
    if request.gpus and (problem := wheel_problem([kind for node in nodes for kind in node.gpus])):
        raise UserError(problem)
    check_not_queued(runs)


def check_not_queued(runs: list[TrainingConfig]) -> None:
    """Two jobs in one run folder would overwrite each other's files."""
    jobs = slurm.queue()
    for run in runs:
        ids = job_ids(read_json(run.folder / "status.json"), read_json(run.folder / "job.json"))
        job = next((jobs[job_id] for job_id in ids if job_id in jobs), None)
        if job:
            raise UserError(
                f"{run.folder} has job {job.job_id} in the queue already ({job.state}); scancel {job.job_id} first, or use "
                "another --model_name"
            )


def check_data_and_weights(command: TrainingCommand, runs: list[TrainingConfig]) -> None:
    """Open the data and the weights to start from, as the job will; the same ones once."""
    import torch  # not before the flags are right

    from litemono.engine import early_stop
    from litemono.engine.distributed import Processes
    from litemono.engine.trackers import check_tracker

    seen, newly = set(), set()
    for run in runs:
        task = tasks.resolve(command.task)(run)
        early_stop.check_metric(run, task)
        check_tracker(run)
        key = repr(replace(run, optim=OptimConfig(), run=RunConfig()))
        starts = not newest_step(run.folder) and key not in newly
        if starts or key not in seen:
            seen.add(key)
            task.data(Processes("cpu"))  # some weights are fitted to it
        if starts:
            newly.add(key)
            task.initialise(task.build(torch.device("cpu"), "fp32"))


# ---------------------------------------------------------------- Slurm


def submit_to_slurm(
    settings: SlurmConfig,
    request: Request,
    cluster: Cluster,
    code: snapshot.Snapshot | None,
    trainings: list[TrainJob],
) -> int:
    """Submit, print a summary and, with --wait, follow the log. A failed preflight cancels the run."""
    runs = [training.config for training in trainings]
    logs = log_folder(settings, runs)
    copy = code.write(logs) if code else None
    parameters = slurm_parameters(settings, request, runs, copy)
    trial = None
    try:
        with environment.clean_for_sbatch():
            if settings.preflight:
                trial = preflight.submit(settings, request, cluster, trainings[0], logs, copy)
                parameters["dependency"] = f"afterok:{trial.job_id}"
                parameters["additional_parameters"]["kill-on-invalid-dep"] = "yes"
            executor = submitit.SlurmExecutor(logs, python=python_of(settings, runs))
            jobs = submit_jobs(executor, parameters, trainings)
    except submitit.core.utils.FailedJobError as error:
        if trial:
            slurm.call("scancel", trial.job_id)
        raise UserError(f"sbatch refused the job: {str(error).strip().splitlines()[-1]}") from None
    for job, run in zip(jobs, runs, strict=True):
        note_job(run.folder, job)
    print_summary(settings, admission.check_request(cluster, request).name, jobs, runs, trial)
    print(memory_line(request))
    print(f"code:  {snapshot.describe(code, settings.follow_checkout)}")
    if not settings.wait:
        return 0
    if trial and follow_log.follow(trial.job_id, trial.paths.stdout):
        return 1
    return follow_log.follow(jobs[0].job_id, jobs[0].paths.stdout)


def submit_jobs(executor: submitit.SlurmExecutor, parameters: dict, trainings: list[TrainJob]) -> list[submitit.Job]:
    """One job, or one array."""
    executor.update_parameters(**parameters)
    if len(trainings) == 1:
        return [executor.submit(trainings[0])]
    with executor.batch():
        return [executor.submit(training) for training in trainings]


def note_job(folder: Path, job: submitit.Job) -> None:
    """Write the job's id into the run folder, for litemono.status and the next submission."""
    text = json.dumps({"job_id": job.job_id, "log": str(job.paths.stdout), "submitted": time.time()})
    write_atomically(folder / "job.json", (text + "\n").encode())


# ---------------------------------------------------------------- this machine, and the summary


def train_here(train: Train, runs: list[TrainingConfig]) -> int:
    """One after the other in this process; a signal ends them all. The worst exit status."""
    worst = 0
    for run in runs:
        worst = max(worst, run_training(train, run))
        if worst > cli.SIGNAL_BASE:
            break
    return worst


def submit_locally(settings: SlurmConfig, train: Train, run: TrainingConfig) -> int:
    """The same job object in processes in the background."""
    executor = submitit.LocalExecutor(log_folder(settings, [run]))
    executor.update_parameters(
        gpus_per_node=settings.gpus_per_node,
        tasks_per_node=max(1, settings.gpus_per_node),
        timeout_min=NO_TIME_LIMIT,
        stderr_to_stdout=True,
        setup=list(settings.setup),
    )
    job = executor.submit(TrainJob(train, run, typed_command()))
    print(f"process {job.job_id}: {run.folder}, log {job.paths.stdout}; `kill {job.job_id}` saves and stops it")
    if not settings.wait:
        return 0
    with follow_log.Tail(job.paths.stdout) as tail:
        while not job.done():
            tail.show()
            time.sleep(follow_log.LOG_SECONDS)
        tail.show()
    return 0 if job.paths.result_pickle.exists() else 1


def print_summary(settings: SlurmConfig, partition: str, jobs: list, runs: list[TrainingConfig], trial) -> None:
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
        f"next:  python -m litemono.status --log_dir {shlex.quote(str(log_dir))} --watch\n"
        f"       tail -F {shlex.quote(str(jobs[0].paths.stdout))}\n"
        f"       scancel {job_id}    (the run is kept; the same submit command resumes it)"
    )


def memory_line(request: Request) -> str:
    return f"mem:   {request.memory} MB on each node ({request.memory_reason})"


def main() -> None:
    sys.argv[1:] = more_flags.join_values(sys.argv[1:])
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in tasks.COMMANDS:
        del sys.argv[1]
    else:
        name = "train"
    command = tasks.COMMANDS[name]

    def submit_command(config: Submission) -> int:
        return submit(config, command)

    submit_command.__doc__ = submit.__doc__
    prog = "python -m litemono.submit" if name == "train" else f"python -m litemono.submit {name}"
    settings: Any = tasks.settings_of(name)
    cli.run(submit_command, Submission[settings], prog, lambda args: Submission(settings.defaults(args)))


if __name__ == "__main__":
    main()
