"""Training inside a Slurm job: what submitit runs in every process, and again after each requeue."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from litemono.engine.settings import TrainingConfig
from litemono.utils import cli
from litemono.utils.errors import USER_ERRORS
from litemono.utils.openmp import choose_waiting

Train = Callable[[Any], int]
"""train(settings) -> exit status, with the settings of its command."""


@dataclass
class TrainJob:
    """A training command and its settings; pickled by submitit, the command by its name."""

    train: Train
    config: TrainingConfig
    command: str = ""
    """By which it was submitted."""

    def __call__(self) -> str:
        """Train; leaves through sys.exit when the run is not finished. Returns the run folder."""
        cli.limit_umask()
        cli.note_start()
        cli.enter_folder()
        if self.command:
            os.environ["LITEMONO_COMMAND"] = self.command  # for attempts.jsonl
        for signum in (signal.SIGUSR2, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)  # submitit would requeue the job by rules of its own
        set_ranks()
        choose_waiting()
        status = run_training(self.train, self.config)
        if status:
            sys.exit(status)
        return str(self.config.folder)


def run_training(train: Train, config: TrainingConfig) -> int:
    """A training command without a process of its own; returns its exit status."""
    try:
        return train(config)
    except USER_ERRORS as error:
        cli.complain(f"error: {error}")
        return cli.BAD_INPUT


def set_ranks() -> None:
    """torchrun's variables from submitit's, where it has started several processes."""
    from submitit import JobEnvironment

    job = JobEnvironment()
    if job.num_tasks == 1:
        return
    first_host = job.hostnames[0] if job.cluster == "slurm" else "127.0.0.1"
    os.environ.setdefault("MASTER_ADDR", first_host)
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    os.environ.setdefault("MASTER_PORT", str(rendezvous_port(int(job.raw_job_id), restarts)))
    os.environ.update(RANK=str(job.global_rank), WORLD_SIZE=str(job.num_tasks), LOCAL_RANK=str(job.local_rank))


def rendezvous_port(job_id: int, restarts: int) -> int:
    """Where the processes of a job meet: below Linux's ephemeral ports (32768 and up), another one after each restart."""
    return 10000 + (job_id + 5003 * restarts) % 20000
