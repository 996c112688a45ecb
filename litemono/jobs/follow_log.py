"""Watching one job: its log as it grows, its state as it changes, until it has ended for good."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import IO

from litemono.jobs import slurm
from litemono.utils import cli

LOG_SECONDS, STATE_SECONDS = 1.0, 5.0
SETTLED_POLLS = 2  # a job that ended and is being requeued is back in the queue by the next poll


class Tail:
    """Prints what a log file gains; the file may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def show(self) -> None:
        if self._file is None:
            try:
                self._file = open(self.path, errors="replace")
            except OSError:
                return
        text = self._file.read()
        if text:
            print(text, end="", flush=True)


def follow(job_id: str, log: Path) -> int:
    """Print log and state until the job has ended; 0 if it completed. Ctrl-C stops this command, not the job."""
    last, ended, next_poll = "", 0, 0.0
    try:
        with Tail(log) as tail:
            while ended < SETTLED_POLLS:
                tail.show()
                if time.monotonic() >= next_poll:
                    next_poll = time.monotonic() + STATE_SECONDS
                    state, reason = job_state(job_id)
                    if state + reason != last:
                        print(f"[job {job_id}: {state.lower()}{f', {reason}' if reason else ''}]", flush=True)
                        last = state + reason
                    ended = ended + 1 if state in slurm.ENDED else 0
                time.sleep(LOG_SECONDS)
            tail.show()
    except KeyboardInterrupt:
        print(f"\njob {job_id} continues; tail -F {shlex.quote(str(log))}")
        return cli.INTERRUPTED
    return 0 if last.startswith("COMPLETED") else 1


def job_state(job_id: str) -> tuple[str, str]:
    """State, and why it waits."""
    try:
        job = slurm.job_now(job_id)
    except slurm.ControllerUnavailable:
        return "UNKNOWN", "the controller does not answer"
    if job:
        waits = job["JobState"] == "PENDING" and job.get("Reason") not in (None, "None")
        return job["JobState"], job["Reason"] if waits else ""
    past = slurm.history([job_id]).get(job_id)
    return (past.state if past else "UNKNOWN"), ""
