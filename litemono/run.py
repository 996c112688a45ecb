"""A run is a folder: what was asked for, how far it is, its log and curves. Whoever finds it can resume or cite it.

config.json   the settings as used          checkpoints/  exact resume
status.json   heartbeat for litemono.status models/       weights in the published files, per epoch, best, last
log.txt       what was printed              train/, val/  TensorBoard
profile/      trace and summary of --profile
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from litemono import config as configs
from litemono.errors import UserError
from litemono.files import try_lock, writable, write_atomically
from litemono.saved import checkpoint_folder, has_checkpoints

STATUS_SECONDS = 2.0
RESTART_PATIENCE = 300.0


def check_same_run(config: configs.TrainConfig) -> None:
    """UserError if the run folder holds a run with settings that forbid resuming it with these."""
    folder = config.folder
    if not has_checkpoints(folder):
        return  # an attempt that got nowhere
    try:
        saved = (folder / "config.json").read_text()
        different = configs.differences(saved, config)
    except FileNotFoundError:
        return
    except ValueError:
        raise UserError(f"{folder}/config.json is damaged; restore it or use another --model_name") from None
    if different:
        raise UserError(
            f"{folder} holds a run with other settings ({'; '.join(different)}); "
            "use the same flags to resume it, or another --model_name"
        )


class RunFolder:
    """The folder of one run, held by one process at a time."""

    def __init__(self, config: configs.TrainConfig) -> None:
        self.path = config.folder
        self.checkpoints = checkpoint_folder(self.path)
        self.models = self.path / "models"
        self._status: dict[str, Any] = {}
        self._status_written = 0.0
        check_same_run(config)
        with writable(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
            self._log = open(self.path / "log.txt", "a", buffering=1)
        write_atomically(self.path / "config.json", configs.to_json(config).encode())

    def _take_lock(self):
        lock = open(self.path / ".lock", "a+")
        # The process on a lost node may hold it for a while after its job was queued again.
        restarted = os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
        if not try_lock(lock, RESTART_PATIENCE if restarted else 0):
            lock.seek(0)
            raise UserError(f"{self.path} is in use by {lock.read().strip() or 'another process'}; wait or stop it")
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        return lock

    def say(self, message: str) -> None:
        """One line for the terminal and log.txt."""
        print(message, flush=True)
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n")

    def status(self, *, now: bool = False, **fields: Any) -> None:
        """Update status.json; at most every two seconds unless `now`."""
        self._status.update(fields)
        if not now and time.time() - self._status_written < STATUS_SECONDS:
            return
        self._status_written = time.time()
        identity = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "node": os.environ.get("SLURMD_NODENAME", socket.gethostname()),
            "job_id": os.environ.get("SLURM_JOB_ID"),
            "updated": self._status_written,
        }
        write_atomically(
            self.path / "status.json", (json.dumps({**self._status, **identity}, indent=1) + "\n").encode()
        )

    def copy_weights(self, source: Path, name: str) -> None:
        """Make models/`name` hold the same weights as the folder `source`; readers never see half of it."""
        target, fresh = self.models / name, self.models / f".{name}.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(source, fresh)
        old = self.models / f".{name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
        shutil.rmtree(old, ignore_errors=True)

    def close(self) -> None:
        self._log.close()
        self._lock.close()
