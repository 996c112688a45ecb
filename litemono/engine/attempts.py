"""attempts.jsonl in the run folder: one line for each start of the training: what computed it, and how it ended.

attempt, started, ended     number from 1; seconds since 1970, `ended` null while it runs
status, exit, message       "running", "finished", "stopped early", "interrupted", "failed", "hung", or "killed" where it
                            could not write its own
from_step, step             optimiser steps at its start and at its end
job_id, restart             Slurm's; null outside a job
processes                   node and device of each, by rank
command, folder             as typed (inside a job: that of submit), and where
litemono, commit, diff      state of the code (utils/commit.py); `code` is where it lies
python, torch, cuda, numpy  versions

Read by evaluate, which puts the newest line's code and command into its results.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from litemono.engine.checkpoint_paths import newest_step
from litemono.utils import cli
from litemono.utils.atomic_files import read_json, read_json_lines, write_atomically
from litemono.utils.commit import code_state, typed_command
from litemono.utils.packages import ROOT
from litemono.utils.typed_json import well_typed

FILE = "attempts.jsonl"
WRITTEN = {"state": str, "exit": int, "step": int, "updated": float}


def begin(run: Path, processes: list[dict[str, str]]) -> None:
    """Add a line for this start; an earlier one without an end gets what status.json says of it."""
    import numpy
    import torch

    end(run)
    earlier = read(run)
    restart = os.environ.get("SLURM_RESTART_COUNT", "0")
    job = os.environ.get("SLURM_JOB_ID")
    step = newest_step(run)
    line = {
        "attempt": len(earlier) + 1,
        "started": time.time(),
        "ended": None,
        "status": "running",
        "exit": None,
        "message": "",
        "from_step": step,
        "step": step,
        "job_id": job,
        "restart": int(restart) if job and restart.isdigit() else None,
        "processes": processes,
        "command": typed_command(),
        "folder": os.getcwd(),
        **code_state()._asdict(),
        "code": str(ROOT),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "numpy": numpy.__version__,
    }
    _write(run, [*earlier, line])


def end(run: Path, exit_status: int | None = None) -> None:
    """Complete the newest line from status.json, unless it is complete. exit_status: of a job whose training was killed."""
    attempts = read(run)
    if not attempts or attempts[-1].get("ended") is not None:
        return
    last = attempts[-1]
    if last.get("job_id") != os.environ.get("SLURM_JOB_ID"):
        exit_status = None  # of another job than the one that is asked about
    heartbeat = read_json(run / "status.json")
    seen = well_typed(heartbeat, WRITTEN) | well_typed(heartbeat, {"message": str}, longest=1000)
    started = last.get("started")
    if not isinstance(started, int | float) or seen.get("updated", 0.0) < started:
        seen = {}  # of an earlier start; this one did not come so far
    if seen.get("state") in ("finished", "stopped early", "interrupted", "failed"):
        last["status"] = "hung" if seen.get("exit") == cli.HUNG else seen["state"]
        last |= {"exit": seen.get("exit"), "message": seen.get("message", ""), "ended": seen["updated"]}
    else:
        ended = seen.get("updated", started) if exit_status is None else time.time()
        last |= {"status": "killed", "exit": exit_status, "ended": ended}
    last["step"] = seen.get("step", last.get("step"))
    _write(run, attempts)


def read(run: Path) -> list[dict[str, Any]]:
    """The attempts of a run, oldest first."""
    return [attempt for attempt in read_json_lines(run / FILE) if attempt]


def _write(run: Path, attempts: list[dict[str, Any]]) -> None:
    write_atomically(run / FILE, "".join(json.dumps(attempt) + "\n" for attempt in attempts).encode())
