"""What happens to a Slurm job when its training processes have ended. The last command of every batch script.

    python -m litemono.jobs.requeue STATUS RUN_FOLDER

STATUS is srun's exit status: 0 (finished), 2 (bad input), 3 (too many skipped steps), 128 + n (stopped by signal n after
a checkpoint) or anything else (crashed, killed). The run folder's status.json says whether trying again is useless
(`final`) and with which status the training ended (`exit`); its newest checkpoint has the last step.

    final                             the job ends, with the training's exit status
    job cancelled or preempted        nothing: Slurm ends it or requeues it
    everything else                   requeued, unless three tries in a row ended at the same checkpoint

srun has an exit status 2 of its own, where the program cannot be executed. The training writes $LITEMONO_STARTED_FILE when
it starts; without that file an exit status is srun's, and the job is requeued to another node.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from litemono.engine import attempts, node_health
from litemono.engine.checkpoint_paths import newest_step
from litemono.jobs import bad_nodes, slurm
from litemono.utils import cli
from litemono.utils.atomic_files import may_pass, read_json, write_json
from litemono.utils.errors import UserError
from litemono.utils.typed_json import well_typed

Result = TypeVar("Result")

MAX_TRIES = 3
RETRY_SECONDS, RETRY_INTERVAL = 300.0, 5.0
KILL_SECONDS = 60  # in which Slurm kills this script after it has requeued the job
PREEMPTED = cli.SIGNAL_BASE + signal.SIGTERM
NOT_STARTED = "srun could not start the training (exit status {}); its message is above"
TIME_LIMIT_NEAR = cli.SIGNAL_BASE + getattr(signal, "SIGUSR2", 12)


def end_or_requeue(status: int, folder: Path) -> int:
    """Requeue the job of this batch script, or let it end; returns the exit status for the script.

    status: of srun; folder: the run folder, which is made for counting tries where it does not exist.
    """
    started = training_started()
    if status in cli.FINAL and started:
        return status
    with contextlib.suppress(OSError, UserError):
        attempts.end(folder, status)
    job_id, task = os.environ["SLURM_JOB_ID"], task_id()
    job = retry_while_unavailable(lambda: slurm.job_now(task))
    report = training_report(folder, job_id) if started else {}
    reason = describe_exit(status, report.get("message", "")) if started else NOT_STARTED.format(status)
    if not still_running(job):
        log(f"{reason}; the job was cancelled, or is requeued by Slurm")
        return status
    if report.get("final") and "exit" in report:
        return report["exit"]  # killed while it ended, or srun reported another process
    step = retry_while_unavailable(lambda: newest_step(folder))
    if preempted(job):
        reason = f"preempted ({reason})"
    elif status != PREEMPTED:  # preemption is no failure, however often it happens
        node = blamed_node(job, status)
        tries, on_node = count_try(folder, job_id, step, node)
        report_node(folder, job_id, node, started, on_node)
        if tries >= MAX_TRIES:
            log(
                f"stopped: {tries} tries in a row ended at step {step} ({reason}). Fix the cause and submit "
                f"the same command again; it resumes from step {step}. Run folder: {folder}"
            )
            return status or cli.CRASHED
    log(f"{reason}; requeued, to resume from step {step}")
    retry_while_unavailable(lambda: slurm.requeue(task))
    with contextlib.suppress(UserError):  # Slurm waits KillWait, usually 30 s, before it kills this script
        if changed := bad_nodes.avoid(task, job, folder, job_id):
            log(changed)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(KILL_SECONDS)
    return status


def training_started() -> bool:
    """Whether a training process began in this start of the job; the exit status is its own then."""
    file = os.environ.get("LITEMONO_STARTED_FILE")
    return file is None or Path(file).exists()


def blamed_node(job: dict[str, str], status: int) -> str:
    """The only node of the job that failed; "" where there are several, or the failure says nothing about the node."""
    return job.get("NodeList", "") if job.get("NumNodes") == "1" and status != TIME_LIMIT_NEAR else ""


def report_node(folder: Path, job_id: str, node: str, started: bool, failures: int) -> None:
    """Note in the run folder that a node could not start the training, or failed repeatedly without progress."""
    reason = "" if started else "srun could not start the training"
    if started and failures >= bad_nodes.FAILURES:
        reason = f"{failures} failures without progress"
    if node and reason:
        with contextlib.suppress(OSError):
            node_health.report(folder, job_id, node, reason)


def task_id() -> str:
    """This job's name for scontrol. One task of an array has the array's own number, by which scontrol means all tasks."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ["SLURM_JOB_ID"]


def retry_while_unavailable(call: Callable[[], Result]) -> Result:
    """call(), repeated for RETRY_SECONDS while Slurm's controller or the file server does not answer."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return call()
        except (slurm.ControllerUnavailable, OSError) as error:
            permanent = isinstance(error, OSError) and not may_pass(error)
            if permanent or time.monotonic() >= deadline:
                raise
            log(f"{error}; retrying")
            time.sleep(RETRY_INTERVAL)


def still_running(job: dict[str, str]) -> bool:
    """Whether the job would end with this script. False when it was cancelled, or is being requeued already.

    job: the controller's record. Cancelled, preempted and requeued jobs are COMPLETING. So are those at their time limit,
    which may be requeued.
    """
    return job.get("JobState") == "RUNNING" or job.get("Reason") == "TimeLimit"


def preempted(job: dict[str, str]) -> bool:
    """Whether Slurm preempts the job and has given it time to end."""
    return job.get("PreemptTime", "None") not in ("None", "N/A", "Unknown", "(null)", "0")


def training_report(folder: Path, job_id: str) -> dict[str, Any]:
    """status.json of the run, if this job wrote it; else {}."""
    content = read_json(folder / "status.json")
    report = well_typed(content, {"job_id": str, "final": bool, "exit": int})
    if content.get("state") == "failed":
        report |= well_typed(content, {"message": str}, longest=300)
    return report if report.get("job_id") == job_id else {}


def count_try(folder: Path, job_id: str, step: int, node: str = "") -> tuple[int, int]:
    """(tries of this job in a row that ended with `step` as the newest checkpoint, those of them on `node`), with this one.

    node: "" where the failure says nothing about the node.
    """
    path = folder / "tries.json"
    last = read_json(path)
    same = last.get("job_id") == job_id and last.get("step") == step
    before = last.get("count") if same else 0
    count = before + 1 if type(before) is int else 1
    failed = last.get("nodes") if same else None
    nodes = [*(failed if isinstance(failed, list) else []), *([node] if node else [])]
    content = {"job_id": job_id, "step": step, "count": count, "nodes": nodes}
    write_json(path, content, indent=None)
    return count, nodes.count(node)


def describe_exit(status: int, message: str = "") -> str:
    """srun's exit status, for the log. message: the training's own, where it could still write it."""
    if message:
        return f"failed: {message}"
    if status == TIME_LIMIT_NEAR:
        return "the time limit is near"
    if status == cli.BAD_NODE:
        return "the node's card cannot be used; the reason is above"
    if status == PREEMPTED:
        return "stopped by SIGTERM"
    if status == cli.SIGNAL_BASE + signal.SIGKILL:
        others = ", or by srun because another process had ended" if os.environ.get("SLURM_NTASKS", "1") != "1" else ""
        return f"killed, usually for using more memory than --mem allows{others}"
    if status > cli.SIGNAL_BASE:
        try:
            return f"ended by {signal.Signals(status - cli.SIGNAL_BASE).name}"
        except ValueError:
            pass
    return f"crashed with exit status {status}; the reason is above"


def log(text: str) -> None:
    print(f"litemono.jobs.requeue: {text}", flush=True)


def run(status: int, folder: Path) -> int:
    """end_or_requeue, with an error of Slurm or the file system as one line in the log; returns the exit status."""
    try:
        return end_or_requeue(status, folder)
    except (UserError, OSError) as error:
        log(str(error))
        return status


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m litemono.jobs.requeue", description="End a Slurm job or requeue it."
    )
    parser.add_argument("status", type=int, help="exit status of srun")
    parser.add_argument("run_folder", type=Path, help="folder of the run")
    given = parser.parse_args(arguments)
    cli.limit_umask()
    sys.exit(run(given.status, given.run_folder))


if __name__ == "__main__":
    main()
