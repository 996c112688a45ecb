"""Training inside a Slurm job: what runs in its processes, and what happens when they have ended.

    python -m litemono.job STATUS TRAINING_FLAGS     the last line of a batch script, after srun

A training process ends with 0 (finished), 2 (bad input), 3 (too many bad steps), 128 + n (stopped by signal n, everything
saved) or anything else (crashed, killed). Whether the job goes back into the queue is decided here, for the scripts in
slurm/ and the jobs of litemono.submit alike:

    finished, bad input, bad steps    the job ends
    the job was cancelled, preempted  nothing: Slurm ends it or queues it again itself
    everything else                   requeued, unless three tries in a row got no further than the same checkpoint
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from litemono.engine.checkpoint_paths import newest_step
from litemono.jobs import slurm
from litemono.tasks.monodepth_settings import TrainConfig
from litemono.utils import cli
from litemono.utils.atomic_files import may_pass, read_json, write_atomically
from litemono.utils.errors import UserError

Answer = TypeVar("Answer")

FINAL = (cli.FINISHED, cli.BAD_INPUT, cli.TOO_MANY_BAD_STEPS)
TRIES = 3
PATIENCE, ASK_AGAIN = 300.0, 5.0  # seconds
PREEMPTED = cli.SIGNAL_BASE + signal.SIGTERM
WARNED = cli.SIGNAL_BASE + getattr(signal, "SIGUSR2", 12)  # the time limit comes near
USER_ERRORS = ("UserError:", "NetworkError:", "PermissionError:")  # how the run's message begins


# ---------------------------------------------------------------- after the processes


def after(status: int, folder: Path) -> int:
    """Requeue the job of this batch script or let it end; returns the exit status for the script."""
    if status in FINAL:
        return status
    job_id, task = os.environ["SLURM_JOB_ID"], task_id()
    if not patiently(lambda: still_mine(task)):
        say(f"{meaning(status)}; cancelled, or requeued by Slurm itself")
        return status
    told = told_by(folder, job_id)
    if told.get("state") == "finished":
        return 0  # killed while it was leaving
    if told.get("state") == "failed" and str(told.get("message")).startswith(USER_ERRORS):
        return cli.BAD_INPUT  # with several processes srun's status may be that of another one
    step = patiently(lambda: newest_step(folder))
    if status != PREEMPTED:  # being preempted again and again is no failure
        tries = count_try(folder, job_id, step)
        if tries >= TRIES:
            say(
                f"stopped: {tries} tries in a row ended at step {step} ({meaning(status)}). Mend this, then submit the same "
                f"command again: the run in {folder} goes on from step {step}"
            )
            return status
    say(f"{meaning(status)}; back into the queue, to go on from step {step}")
    patiently(lambda: slurm.requeue(task))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(60)  # Slurm kills this script
    return status


def task_id() -> str:
    """This job's name for scontrol. One task of an array has the array's own number, by which scontrol means all tasks."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ["SLURM_JOB_ID"]


def patiently(ask: Callable[[], Answer]) -> Answer:
    """ask(), and again for some minutes while the controller or a file server does not answer: it may be busy."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except (slurm.NoAnswer, OSError) as error:
            lasting = isinstance(error, OSError) and not may_pass(error)
            if lasting or time.monotonic() >= deadline:
                raise
            say(f"{error}; asking again")
            time.sleep(ASK_AGAIN)


def still_mine(job_id: str) -> bool:
    """Whether the job would simply end now. Not when it was cancelled, or is being requeued already.

    Cancelled, preempted and requeued jobs are COMPLETING; so are those at their time limit, which must go on.
    """
    job = slurm.job_now(job_id)
    return job.get("JobState") == "RUNNING" or job.get("Reason") == "TimeLimit"


def told_by(folder: Path, job_id: str) -> dict[str, Any]:
    """The run's last words, if they are of this job."""
    told = read_json(folder / "status.json")
    return told if told.get("job_id") == job_id else {}


def count_try(folder: Path, job_id: str, step: int) -> int:
    """How often in a row this job has ended with `step` as its newest checkpoint, this time included."""
    path = folder / "tries.json"
    last = read_json(path)
    same = last.get("job_id") == job_id and last.get("step") == step
    before = last.get("count") if same else 0
    count = before + 1 if type(before) is int else 1
    write_atomically(path, (json.dumps({"job_id": job_id, "step": step, "count": count}) + "\n").encode())
    return count


def meaning(status: int) -> str:
    if status == WARNED:
        return "the time limit is near"
    if status == PREEMPTED:
        return "asked to stop"
    if status == 128 + signal.SIGKILL:
        return "killed, usually for using more memory than --mem allows"
    if status > 128:
        try:
            return f"ended by {signal.Signals(status - 128).name}"
        except ValueError:
            pass
    return f"crashed with exit status {status}; the reason is above"


def say(text: str) -> None:
    print(f"litemono.job: {text}", flush=True)


def main() -> None:
    if len(sys.argv) < 2 or not sys.argv[1].isdigit():
        sys.exit(
            "usage: python -m litemono.job EXIT_STATUS TRAINING_FLAGS (the last line of a batch script, after srun)"
        )
    status = int(sys.argv[1])
    if status in FINAL:
        sys.exit(status)
    config = cli.parse(TrainConfig, "litemono.jobs.requeue", "", sys.argv[2:])
    try:
        sys.exit(after(status, config.folder))
    except (UserError, OSError) as error:
        say(str(error))
        sys.exit(status)


if __name__ == "__main__":
    main()
