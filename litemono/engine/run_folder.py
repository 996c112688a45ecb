"""The folder of a run: settings, progress, log, curves, checkpoints and weights.

config.json   the settings as used          checkpoints/  exact resume
status.json   state of the run              models/       weights in the published files, per epoch, best, last
log.txt       what was printed              train/, val/  TensorBoard
attempts.jsonl  code, command and place of each start (attempts.py)
early_stop.json   results at the rungs of --stop_early
tracker.json  ids of the run in experiment trackers
profile/      trace and summary of --profile    compiled/     code of --compile, for the next start

status.json is read by litemono.status and litemono.jobs.requeue:

state     "starting", "running", "finished", "stopped early" (by --stop_early), "interrupted" (by a signal, after a
          checkpoint) or "failed"
final     whether the same command would end the same way: the job is not requeued
exit      exit status of the training process; null while it runs
step      optimiser steps taken
message   why it was stopped, interrupted or failed; for people only
job_id, pid, host, node, updated    which process wrote it, and when (seconds since 1970)
and, for the table of litemono.status: epoch, speed, loss, time left, best validation results
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from litemono.engine.checkpoint_paths import checkpoint_folder
from litemono.utils.atomic_files import (
    NoLocks,
    full_disk_explained,
    may_pass,
    read_json,
    remove_leftovers,
    replacing_folder,
    sweep,
    try_lock,
    writable,
    write_atomically,
    write_json,
)
from litemono.utils.errors import UserError

STATUS_SECONDS = 2.0
RESTART_LOCK_SECONDS = 300.0  # that a requeued job waits for the process on a lost node
HEARTBEAT_TIMEOUT = 60.0  # after which a run on a file system without locks counts as ended


def announce(folder: Path) -> None:
    """Write the path of the run folder into $LITEMONO_RUN_FOLDER_FILE, for the end of a batch script (slurm/requeue.sh)."""
    file = os.environ.get("LITEMONO_RUN_FOLDER_FILE")
    if os.environ.get("RANK", "0") != "0":
        return
    status = read_json(folder / "status.json")
    if status.get("final") and status.get("state") != "finished":  # of an earlier start; this one has not failed yet
        with contextlib.suppress(OSError, UserError):
            write_atomically(folder / "status.json", json.dumps({**status, "final": False, "exit": None}).encode())
    if file:
        with contextlib.suppress(OSError, UserError):  # the script works without it
            write_atomically(file, f"{folder.absolute()}\n".encode())


@contextlib.contextmanager
def ignore_transient_errors() -> Iterator[None]:
    """Around what is written for people to read: a temporary failure of the file server must not end a training."""
    try:
        yield
    except OSError as error:
        if not may_pass(error):
            raise


class RunFolder:
    """The folder of one run, held by one process at a time."""

    def __init__(self, path: Path, config: str) -> None:
        """Make the folder, lock it and write `config` to config.json."""
        self.path = path
        self.checkpoints = checkpoint_folder(path)
        self.models = self.path / "models"
        self._status: dict[str, Any] = {}
        self._status_written = -math.inf
        with writable(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
            self._log = open(self.path / "log.txt", "a", buffering=1)
        for folder in (self.path, self.checkpoints):  # of a process that was killed while writing
            remove_leftovers(folder)
        sweep(self.models)
        write_atomically(self.path / "config.json", config.encode())

    def _take_lock(self):
        lock = open(self.path / ".lock", "a+")
        # The process on a lost node may hold it for a while after its job was requeued.
        restarted = os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
        timeout = RESTART_LOCK_SECONDS if restarted else 0.0
        try:
            free = try_lock(lock, timeout)
        except NoLocks:
            free = self._wait_for_silence(timeout)
        if not free:
            lock.seek(0)
            problem = f"{self.path} is in use by {lock.read().strip() or 'another process'}"
            if restarted:
                raise RuntimeError(f"{problem} still; the job tries again")  # not a UserError, which would end the job
            raise UserError(f"{problem}; wait or stop it")
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        return lock

    def _wait_for_silence(self, timeout: float) -> bool:
        """Without locks: whether no other process has written status.json for HEARTBEAT_TIMEOUT, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._used_by_another_process():
            if time.monotonic() >= deadline:
                return False
            time.sleep(1)
        return True

    def _used_by_another_process(self) -> bool:
        status = read_json(self.path / "status.json")
        updated = status.get("updated")
        if not isinstance(updated, int | float):
            return False
        itself = (status.get("host"), status.get("pid")) == (socket.gethostname(), os.getpid())
        return not itself and status.get("state") == "running" and abs(time.time() - updated) < HEARTBEAT_TIMEOUT

    def say(self, message: str) -> None:
        """One line for the terminal and log.txt."""
        with full_disk_explained("the output of the training"):  # in a job, Slurm's log
            print(message, flush=True)
        with ignore_transient_errors(), full_disk_explained(self.path / "log.txt"):
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n")

    def status(self, *, now: bool = False, **fields: Any) -> None:
        """Update status.json; at most every two seconds unless `now`."""
        self._status.update(fields)
        if not now and time.monotonic() - self._status_written < STATUS_SECONDS:
            return
        self._status_written = time.monotonic()  # the clock of the day may be set back
        identity = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "node": os.environ.get("SLURMD_NODENAME", socket.gethostname()),
            "job_id": os.environ.get("SLURM_JOB_ID"),
            "updated": time.time(),
        }
        with ignore_transient_errors():
            write_json(self.path / "status.json", {**self._status, **identity})

    def copy_weights(self, source: Path, name: str) -> None:
        """Make models/`name` hold the same weights as the folder `source`; readers never see half of it."""
        target = self.models / name
        with writable(target), replacing_folder(target) as fresh:
            for file in source.iterdir():
                shutil.copy2(file, fresh)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._log.close()
        self._lock.close()
