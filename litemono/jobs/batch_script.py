"""The request to Slurm, and its batch script."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import submitit

from litemono.engine.settings import TrainingConfig
from litemono.jobs import container, slurm
from litemono.jobs.admission import Request
from litemono.jobs.more_flags import sbatch_flags, srun_flags
from litemono.utils import cli
from litemono.utils.errors import UserError, require

MEMORY_PER_GPU = 16 * 1024  # MB
RANK_EXIT_SECONDS = 120  # between the end of the first process of a job and srun's end of the others


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
    """Memory on each node, like 32G. Default: 16G per GPU; where Slurm counts the page cache against the job and the pack is
    larger, 8G per GPU and the pack's size, at most the job's share of a node; never more than the nodes have."""
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
    sbatch: str = ""
    """More flags of sbatch, like "exclude=n1,n2 reservation=r mail-user=me"; checked by Slurm before the job is queued."""
    srun: str = ""
    """More flags of srun, like "cpu-bind=cores"."""
    follow_checkout: bool = False
    """Run each start of the job from the checkout as it is then. Default: from a copy of the code made now, in the run folder."""
    container: str | None = None
    """Image to train in (.sif, .sqsh, docker://NAME), by pyxis or apptainer, whichever the cluster has."""
    warning_seconds: int = 120
    """How long before the time limit the run gets SIGUSR2, to write a checkpoint."""
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


def check_settings(settings: SlurmConfig) -> None:
    for name, least in (("gpus_per_node", 0), ("nodes", 1), ("cpus_per_task", 1), ("array_parallelism", 1)):
        value = getattr(settings, name)
        require(value >= least, f"--{name} {value}: must be at least {least}")
    for name in ("partition", "account", "qos", "constraint", "preflight_partition"):
        value = getattr(settings, name)
        plain = value is None or value.isprintable() and value.strip() == value != ""
        require(plain, f"--{name} {value!r}: cannot be written into a batch script; give a name as Slurm lists it")
    sbatch_flags(settings.sbatch)
    srun_flags(settings.srun)
    limit = time_limit(settings)
    memory_per_node(settings)
    require(limit != float("inf"), f"--time {settings.time}: give a limit; the job is requeued when it is reached")
    require(
        limit * 60 >= settings.warning_seconds + 60,
        f"--time {settings.time}: Slurm's warning comes up to a minute before --warning_seconds {settings.warning_seconds}, "
        "so this job would never train; ask for more time",
    )
    require(
        not (settings.wait and settings.sweep), "--wait follows one run; watch a sweep with litemono status --watch"
    )
    require(
        not (settings.preflight and settings.sweep),
        "--preflight tries one run: give it without --sweep first, then the sweep",
    )
    require(
        settings.cluster == "slurm" or not (settings.preflight or settings.dry_run),
        f"--cluster {settings.cluster} has no queue: leave out --preflight and --dry_run",
    )
    require(
        settings.cluster == "slurm" or not (settings.sbatch or settings.srun),
        f"--cluster {settings.cluster} has no queue: leave out --sbatch and --srun",
    )
    require(
        settings.cluster == "slurm" or not settings.container,
        f"--cluster {settings.cluster} starts no container: leave out --container, or start litemono inside it",
    )
    require(settings.cluster != "local" or not settings.sweep, "--cluster local trains one run: leave out --sweep")
    require(
        settings.cluster != "debug" or settings.gpus_per_node <= 1,
        "--cluster debug trains in this process, on one GPU: leave out --gpus_per_node, or use --cluster local",
    )
    require(settings.cluster == "slurm" or settings.nodes == 1, f"--cluster {settings.cluster} is one node: --nodes 1")


def time_limit(settings: SlurmConfig) -> float:
    """Minutes of --time. Raises UserError where Slurm could not read it."""
    limit = slurm.minutes(settings.time)
    if limit is None:
        raise UserError(f"--time {settings.time}: write hours:minutes:seconds, days-hours:minutes:seconds or minutes")
    return limit


def memory_per_node(settings: SlurmConfig, gpus: int | None = None) -> int:
    """MB of --mem, by default for each of `gpus` (default: --gpus_per_node). Raises UserError where Slurm could not read it."""
    if settings.mem is None:
        return MEMORY_PER_GPU * max(1, settings.gpus_per_node if gpus is None else gpus)
    memory = slurm.megabytes(settings.mem)
    if not memory:
        raise UserError(f"--mem {settings.mem}: write it like 32G or 16000M")
    return memory


def request_of(settings: SlurmConfig) -> Request:
    return Request(
        partition=settings.partition,
        nodes=settings.nodes,
        gpus=settings.gpus_per_node,
        cpus=settings.cpus_per_task * max(1, settings.gpus_per_node),
        memory=memory_per_node(settings),
        minutes=time_limit(settings),
        account=settings.account,
        qos=settings.qos,
        constraint=settings.constraint,
        exclude=str(sbatch_flags(settings.sbatch).get("exclude", "")),
        memory_reason="--mem" if settings.mem is not None else f"{MEMORY_PER_GPU} MB per GPU",
    )


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


def python_of(settings: SlurmConfig, runs: list[TrainingConfig]) -> str | None:
    """What starts Python in the job; None: the Python that runs now."""
    return container.launch(settings.container, runs, settings.gpus_per_node).python


def log_folder(settings: SlurmConfig, runs: list[TrainingConfig]) -> Path:
    """Where submitit keeps the batch script, its arguments and the logs."""
    return (runs[0].folder.parent if settings.sweep else runs[0].folder) / "slurm"


def check_log_folder(settings: SlurmConfig, runs: list[TrainingConfig]) -> None:
    """UserError for a path in which Slurm would replace letters by something else."""
    path = str(log_folder(settings, runs).absolute())
    for letter in "%\\":
        require(
            letter not in path,
            f"{runs[0].folder}: Slurm gives {letter} in the path of a log a meaning of its own; choose another --model_name "
            "or --log_dir without it",
        )


def slurm_parameters(
    settings: SlurmConfig, request: Request, runs: list[TrainingConfig], code: Path | None = None
) -> dict[str, Any]:
    """What submitit's executor takes, for one run or the array of a sweep. code: the copy to run from (snapshot.py)."""
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
        "srun_args": [
            f"--cpus-per-task={settings.cpus_per_task}",
            f"--wait={RANK_EXIT_SECONDS}",
            *container.launch(settings.container, runs, request.gpus, code).srun,
            *srun_flags(settings.srun),
        ],
        "additional_parameters": {"requeue": True, **sbatch_flags(settings.sbatch)},
        "setup": setup_lines(settings, log_folder(settings, runs), code),
        "teardown": teardown(runs),
    }
    return {key: value for key, value in parameters.items() if value is not None}


def setup_lines(settings: SlurmConfig, logs: Path, code: Path | None) -> list[str]:
    """The batch script before srun. Python looks for modules in the folder where it starts first (cli.enter_folder leaves it)."""
    enter = f'export LITEMONO_FOLDER="$PWD"; cd {shlex.quote(str(code))} || exit {cli.BAD_INPUT}'
    path = f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}"
    return [
        *settings.setup,
        f"export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-{settings.cpus_per_task}}}",  # not one for each core of the node
        "export SLURM_EXPORT_ENV=ALL",  # NONE after `sbatch --export=NONE`, and srun would start the training without all this
        # Written by the training (cli.note_start), read at the end of this script.
        f'export LITEMONO_STARTED_FILE={shlex.quote(str(logs.absolute()))}/.started-"$SLURM_JOB_ID"',
        'rm -f "$LITEMONO_STARTED_FILE"',
        # The trap keeps the script alive at its time limit until it has requeued the job.
        "trap : TERM",
        *([enter, path] if code else []),
    ]


def teardown(runs: list[TrainingConfig]) -> list[str]:
    """The end of the batch script, the same as slurm/requeue.sh's. Its first line sees srun's exit status in $?."""
    folders = " ".join(shlex.quote(str(run.folder.absolute())) for run in runs)
    return [
        f"status=$?; trap '' TERM; run_folders=({folders})",
        f"exec {shlex.quote(sys.executable)} -m litemono.jobs.requeue $status "
        '"${run_folders[${SLURM_ARRAY_TASK_ID:-0}]}"',
    ]
