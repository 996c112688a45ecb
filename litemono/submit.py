"""python -m litemono.submit: a training run as a Slurm job that goes on by itself until it is finished."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import submitit

from litemono import cli, cluster, follow, slurm, sweep
from litemono import config as configs
from litemono.cluster import Cluster, Partition, Request
from litemono.config import DataConfig, TrainConfig
from litemono.doctor import wheel_problem
from litemono.errors import UserError
from litemono.files import write_atomically
from litemono.job import PREFLIGHT_STEPS, PreflightJob, TrainJob, newest_step, preflight_config, run_training
from litemono.run import check_same_run

MEMORY_PER_GPU = "16G"
PREFLIGHT_MINUTES = 15
ENDLESS = 1_000_000  # time limits a run may reach; submitit wants a number
RANK_PATIENCE = 120  # seconds between the end of the first process of a job and srun's end of the others


@dataclass(frozen=True)
class SlurmConfig:
    """What Slurm is asked for. The job is requeued at its time limit, so --time need not hold the whole run."""

    cluster: Literal["slurm", "local", "debug"] = "slurm"
    """slurm: a job in the queue; local: the same job in the background of this machine; debug: in this process."""
    partition: str | None = None
    """Partition. Default: the cluster's."""
    gpus_per_node: int = 1
    """GPUs, and training processes, on each node; 0 for --device cpu."""
    nodes: int = 1
    """Nodes. The global batch is nodes x gpus_per_node x batch_size."""
    cpus_per_task: int = 2
    """CPU cores for each training process."""
    mem: str | None = None
    """Memory on each node, like 32G. Default: 16G per GPU."""
    time: str = "24:00:00"
    """Time limit of one job: H:M:S, D-H:M:S or minutes."""
    account: str | None = None
    """Account that is charged."""
    qos: str | None = None
    """Quality of service."""
    constraint: str | None = None
    """Features that the nodes must have, like v100."""
    array_parallelism: int = 4
    """How many runs of a sweep go at the same time."""
    setup: tuple[str, ...] = ()
    """Shell lines before training, like "module load cuda/12.6" "source venv/bin/activate"."""
    warning_seconds: int = 120
    """How long before the time limit the run is told to save."""
    dry_run: bool = False
    """Check everything and print the batch script instead of submitting it."""
    wait: bool = False
    """Show the log until the job has ended; exit status 0 if the run is finished. Ctrl-C leaves the job alone."""
    preflight: bool = False
    """First train 20 steps as a short job; the run starts only if they succeed."""
    preflight_partition: str | None = None
    """Where the preflight runs; on a CPU if it has no GPUs. Default: the partition with the shortest limit that fits."""
    sweep: tuple[str, ...] = ()
    """Flags with several values, like lr=1e-4,5e-5 model=lite-mono,lite-mono-small: one run for each combination."""


@dataclass(frozen=True)
class JobDataConfig(DataConfig):
    """Where the frames are and how they are read."""

    num_workers: int | None = None
    """Processes that read frames, for each training process. Default: --cpus_per_task, at most 8."""


@dataclass(frozen=True)
class SubmitConfig(TrainConfig):
    """A training run and its Slurm job."""

    data: JobDataConfig
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
    runs = sweep.expand(config.train, settings.sweep)
    check_settings(settings)
    check_runs(runs)
    if settings.cluster == "debug":
        return max(run_training(run) for run in runs)
    if settings.cluster == "local":
        return submit_locally(settings, runs)
    return submit_to_slurm(settings, runs)


# ---------------------------------------------------------------- checks


def check_settings(settings: SlurmConfig) -> None:
    def demand(ok: bool, message: str) -> None:
        if not ok:
            raise UserError(message)

    for name, least in (("gpus_per_node", 0), ("nodes", 1), ("cpus_per_task", 1), ("array_parallelism", 1)):
        value = getattr(settings, name)
        demand(value >= least, f"--{name} {value}: must be at least {least}")
    limit = slurm.minutes(settings.time)
    demand(
        limit is not None, f"--time {settings.time}: write hours:minutes:seconds, days-hours:minutes:seconds or minutes"
    )
    demand(
        limit * 60 >= settings.warning_seconds + 60,
        f"--time {settings.time}: Slurm's warning comes up to a minute before --warning_seconds {settings.warning_seconds}, "
        "so this job would never train; ask for more time",
    )
    demand(settings.mem is None or slurm.megabytes(settings.mem), f"--mem {settings.mem}: write it like 32G or 16000M")
    demand(not (settings.wait and settings.sweep), "--wait follows one run; watch a sweep with litemono.status --watch")
    demand(
        not (settings.preflight and settings.sweep),
        "--preflight tries one run: give it without --sweep first, then the sweep",
    )
    demand(
        settings.cluster == "slurm" or not (settings.preflight or settings.dry_run),
        f"--cluster {settings.cluster} has no queue: leave out --preflight and --dry_run",
    )
    demand(settings.cluster == "slurm" or settings.nodes == 1, f"--cluster {settings.cluster} is one node: --nodes 1")


def check_runs(runs: list[TrainConfig]) -> None:
    """Everything that would make a run fail at its start: settings, folder, frames, weights."""
    from litemono import build  # brings torch, which --help does not need
    from litemono.distributed import World

    seen = set()
    for run in runs:
        configs.check(run)
        check_same_run(run)
        key = repr((run.data, run.loss.frame_ids, run.loss.use_stereo, run.model.height, run.model.width))
        if key not in seen:
            seen.add(key)
            build.build_data(run, World("cpu"))
        if not newest_step(run.folder):
            build.load_initial_weights(run, build.build_model(run))


def check_not_queued(runs: list[TrainConfig]) -> None:
    """Two jobs in one run folder would undo each other's work."""
    jobs = slurm.queue()
    for run in runs:
        job_id = queued_as(run.folder)
        if job_id in jobs:
            raise UserError(
                f"{run.folder} has job {job_id} in the queue already ({jobs[job_id].state}); scancel {job_id} first, or use "
                "another --model_name"
            )


def queued_as(folder: Path) -> str | None:
    """Id of the job that was last submitted for a run folder."""
    try:
        return json.loads((folder / "job.json").read_text())["job_id"]
    except (OSError, ValueError, KeyError):
        return None


def request_of(settings: SlurmConfig) -> Request:
    memory = slurm.megabytes(settings.mem or MEMORY_PER_GPU) * (1 if settings.mem else max(1, settings.gpus_per_node))
    return Request(
        partition=settings.partition,
        nodes=settings.nodes,
        gpus=settings.gpus_per_node,
        cpus=settings.cpus_per_task * max(1, settings.gpus_per_node),
        memory=memory,
        minutes=slurm.minutes(settings.time),
        account=settings.account,
        qos=settings.qos,
        constraint=settings.constraint,
    )


# ---------------------------------------------------------------- Slurm


class BatchScript(submitit.SlurmExecutor):
    """submitit's executor, also where there is no Slurm: to print what it would submit."""

    @classmethod
    def affinity(cls) -> int:
        return 2

    def text(self, count: int) -> str:
        """What sbatch would get for `count` runs."""
        if count > 1:
            self.parameters["map_count"] = count
        return self._make_submission_file_text(self._submitit_command_str, "dry_run")


def submit_to_slurm(settings: SlurmConfig, runs: list[TrainConfig]) -> int:
    request = request_of(settings)
    partition = None
    if slurm.available():
        offer = cluster.read_cluster()
        partition = cluster.check_request(offer, request)
        problem = wheel_problem([kind for node in partition.nodes for kind in node.gpus]) if request.gpus else None
        if problem:
            raise UserError(problem)
        check_not_queued(runs)
    elif settings.dry_run:
        print("there is no Slurm on this machine: the request was not compared with a cluster", file=sys.stderr)
    else:
        raise UserError("there is no Slurm on this machine (no sbatch): log in to the cluster, or use --cluster local")
    folder = log_folder(settings, runs)
    parameters = slurm_parameters(settings, request, runs)
    if settings.dry_run:
        executor = BatchScript(folder)
        executor.update_parameters(**parameters)
        print(executor.text(len(runs)), end="")
        return 0
    executor = submitit.SlurmExecutor(folder, max_num_timeout=ENDLESS)
    preflight = submit_preflight(settings, offer, request, runs[0]) if settings.preflight else None
    if preflight:
        parameters["dependency"] = f"afterok:{preflight.job_id}"
        parameters["additional_parameters"]["kill-on-invalid-dep"] = "yes"
    executor.update_parameters(**parameters)
    try:
        if len(runs) == 1:
            jobs = [executor.submit(TrainJob(runs[0]))]
        else:
            with executor.batch():
                jobs = [executor.submit(TrainJob(run)) for run in runs]
    except submitit.core.utils.FailedJobError as error:
        if preflight:
            slurm.call("scancel", preflight.job_id)
        raise UserError(f"sbatch refused the job: {str(error).strip().splitlines()[-1]}") from None
    for job, run in zip(jobs, runs, strict=True):
        note_job(run.folder, job)
    tell(settings, partition, jobs, runs, preflight)
    if not settings.wait:
        return 0
    if preflight:
        follow.follow(preflight.job_id, preflight.paths.stdout)
    return follow.follow(jobs[0].job_id, jobs[0].paths.stdout)


def log_folder(settings: SlurmConfig, runs: list[TrainConfig]) -> Path:
    """Where submitit keeps the batch script, its arguments and the logs."""
    return (runs[0].folder.parent if settings.sweep else runs[0].folder) / "slurm"


def slurm_parameters(settings: SlurmConfig, request: Request, runs: list[TrainConfig]) -> dict:
    name = runs[0].folder.parent.name if settings.sweep else runs[0].folder.name
    parameters = {
        "job_name": name,
        "partition": settings.partition,
        "time": int(request.minutes),
        "nodes": request.nodes,
        "ntasks_per_node": max(1, request.gpus),
        "cpus_per_task": settings.cpus_per_task,
        "gpus_per_node": request.gpus or None,
        "mem": f"{request.memory}M",
        "account": settings.account,
        "qos": settings.qos,
        "constraint": settings.constraint,
        "signal_delay_s": settings.warning_seconds,
        "array_parallelism": settings.array_parallelism,
        "stderr_to_stdout": True,
        # Slurm 22.05 and later do not hand --cpus-per-task on to srun.
        "srun_args": [f"--cpus-per-task={settings.cpus_per_task}", f"--wait={RANK_PATIENCE}"],
        "additional_parameters": {"requeue": True},
        # The trap keeps the script alive past its time limit until it has requeued the job.
        "setup": [
            *settings.setup,
            f"export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-{settings.cpus_per_task}}}",  # not one for each core of the node
            "trap : TERM",
        ],
        "teardown": teardown(runs),
    }
    return {key: value for key, value in parameters.items() if value is not None}


def teardown(runs: list[TrainConfig]) -> list[str]:
    """The end of the batch script. Its first line sees srun's exit status in $?."""
    python, first = shlex.quote(sys.executable), runs[0]
    where = f"--data_path {shlex.quote(str(first.data.data_path))} --log_dir {shlex.quote(str(first.run.log_dir))}"
    names = " ".join(shlex.quote(run.folder.name) for run in runs)
    return [
        "status=$?",
        f"runs=({names})",
        f'exec {python} -m litemono.job $status {where} --model_name "${{runs[${{SLURM_ARRAY_TASK_ID:-0}}]}}"',
    ]


def note_job(folder: Path, job: submitit.Job) -> None:
    """Leave the job's id in the run folder, for litemono.status and for the next submission."""
    text = json.dumps({"job_id": job.job_id, "log": str(job.paths.stdout), "submitted": time.time()})
    write_atomically(folder / "job.json", (text + "\n").encode())


# ---------------------------------------------------------------- preflight


def submit_preflight(settings: SlurmConfig, offer: Cluster, request: Request, run: TrainConfig) -> submitit.Job:
    """A short job on one GPU, or on a CPU where --preflight_partition has no GPUs."""
    name = settings.preflight_partition
    on_cpu = request.gpus == 0 or name in offer.partitions and not offer.partitions[name].most_gpus
    gpus = 0 if on_cpu else 1
    small = dataclasses.replace(
        request, partition=name, nodes=1, gpus=gpus, cpus=settings.cpus_per_task, minutes=PREFLIGHT_MINUTES,
        memory=min(request.memory, slurm.megabytes(settings.mem or MEMORY_PER_GPU)),
    )  # fmt: skip
    partition = preflight_partition(offer, small, settings.partition)
    small = dataclasses.replace(small, partition=partition.name, minutes=min(small.minutes, partition.max_minutes))
    cluster.check_request(offer, small)
    short = preflight_config(run, on_cpu)
    parameters = slurm_parameters(
        dataclasses.replace(settings, partition=partition.name, warning_seconds=30), small, [short]
    )
    parameters |= {"job_name": f"{run.folder.name}-preflight", "teardown": None, "additional_parameters": None}
    executor = submitit.SlurmExecutor(run.folder / "slurm", max_num_timeout=0)
    executor.update_parameters(**{key: value for key, value in parameters.items() if value is not None})
    return executor.submit(PreflightJob(short))


def preflight_partition(offer: Cluster, small: Request, wanted: str | None) -> Partition:
    """The named one, else of those that could run it the one with the shortest limit: their queues are short too."""
    if small.partition is not None:
        return cluster.find_partition(offer, small)
    fitting = []
    for partition in offer.partitions.values():
        request = dataclasses.replace(
            small, partition=partition.name, minutes=min(small.minutes, partition.max_minutes)
        )
        try:
            fitting.append(cluster.check_request(offer, request))
        except UserError:
            continue
    if not fitting:
        return cluster.find_partition(offer, dataclasses.replace(small, partition=wanted))
    return min(fitting, key=lambda partition: partition.max_minutes)


# ---------------------------------------------------------------- this machine, and what is told


def submit_locally(settings: SlurmConfig, runs: list[TrainConfig]) -> int:
    """The same job object in background processes, one run after the other being the user's business."""
    executor = submitit.LocalExecutor(log_folder(settings, runs), max_num_timeout=ENDLESS)
    executor.update_parameters(
        gpus_per_node=settings.gpus_per_node,
        tasks_per_node=max(1, settings.gpus_per_node),
        timeout_min=ENDLESS,
        stderr_to_stdout=True,
        setup=list(settings.setup),
    )
    jobs = [executor.submit(TrainJob(run)) for run in runs]
    for job, run in zip(jobs, runs, strict=True):
        print(f"process {job.job_id}: {run.folder}, log {job.paths.stdout}; `kill {job.job_id}` saves and stops it")
    if not settings.wait:
        return 0
    with follow.Tail(jobs[0].paths.stdout) as tail:
        while not jobs[0].done():
            tail.show()
            time.sleep(follow.LOG_SECONDS)
        tail.show()
    return 0 if jobs[0].paths.result_pickle.exists() else 1


def tell(settings: SlurmConfig, partition: Partition, jobs: list, runs: list[TrainConfig], preflight) -> None:
    """Job, folder, log, and what to type next."""
    if preflight:
        print(
            f"preflight  job {preflight.job_id}: {PREFLIGHT_STEPS} steps; the run starts after it, or not at all if it fails"
        )
        print(f"           log {preflight.paths.stdout}")
    where = f"{settings.nodes} x {settings.gpus_per_node} GPUs in {partition.name}, {settings.time} at a time"
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
