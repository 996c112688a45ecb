"""Experiment trackers beside TensorBoard: --tracker wandb or mlflow, each an optional extra.

A tracker never stops or slows a training: everything it does, its start included, happens on a thread of its own, which takes
values from a queue. After its first failure it is left alone, with one line in the log; values that do not fit into the queue
are dropped. A run keeps its id in tracker.json of its folder, so that a requeued job continues the same curves.

Inside a Slurm job wandb writes offline into the run folder unless WANDB_MODE says otherwise; `wandb sync
runs/NAME/wandb/offline-run-*` uploads it.
mlflow writes into the folder LOG_DIR/mlruns unless MLFLOW_TRACKING_URI says otherwise.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable
from typing import Protocol

from litemono.engine.run_folder import RunFolder
from litemono.engine.settings import TrainingConfig, to_json
from litemono.utils.atomic_files import read_json, write_json
from litemono.utils.errors import require

FILE = "tracker.json"
PROJECT = "litemono"
WAITING = 10_000  # points in the queue
END_SECONDS = 10.0  # that a training waits for its tracker when it ends


class Backend(Protocol):
    """One tracker's run."""

    def log(self, values: dict[str, float], step: int) -> None: ...

    def end(self, finished: bool) -> None: ...


def check_tracker(config: TrainingConfig) -> None:
    """UserError where the tracker's package is not installed."""
    name = config.run.tracker
    if name is None:
        return
    spec = importlib.util.find_spec(name)
    there = spec is not None and spec.origin is not None  # a folder of that name, such as wandb's own, has no origin
    require(there, f"--tracker {name}: it is not installed; pip install 'litemono[{name}]', or leave the flag out")


class Wandb:
    """Weights & Biases. Steps that a resumed run takes again have the same values; wandb keeps the first."""

    def __init__(self, config: TrainingConfig, run_id: str) -> None:
        import wandb

        offline = "offline" if "SLURM_JOB_ID" in os.environ else None
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=run_id,
            name=str(config.folder.name),
            group=str(config.folder.parent),
            dir=str(config.folder),
            config=json.loads(to_json(config)),
            resume="allow",
            mode=os.environ.get("WANDB_MODE") or offline,
            settings=wandb.Settings(console="off", silent=True),
        )

    def log(self, values: dict[str, float], step: int) -> None:
        self.run.log(values, step=step)

    def end(self, finished: bool) -> None:
        self.run.finish(exit_code=0 if finished else 1)


class Mlflow:
    """MLflow's client, without its global state."""

    def __init__(self, config: TrainingConfig, run_id: str) -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # version 3.7 and later refuse folders without it
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException

        self.metric = Metric
        uri = os.environ.get("MLFLOW_TRACKING_URI") or (config.run.log_dir / "mlruns").absolute().as_uri()
        self.client = MlflowClient(tracking_uri=uri)
        if run_id:
            self.run_id = run_id
            self.client.update_run(run_id, status="RUNNING")
            return
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        with contextlib.suppress(MlflowException):  # it is there, perhaps since a moment ago
            self.client.create_experiment(project)
        experiment = self.client.get_experiment_by_name(project)
        self.run_id = self.client.create_run(experiment.experiment_id, run_name=str(config.folder)).info.run_id
        groups = json.loads(to_json(config)).values()
        flags = [Param(flag, str(value)[:500]) for group in groups for flag, value in group.items()]
        self.client.log_batch(self.run_id, params=flags)

    def log(self, values: dict[str, float], step: int) -> None:
        now = int(1000 * time.time())
        metrics = [self.metric(file_like(name), value, now, step) for name, value in values.items()]
        self.client.log_batch(self.run_id, metrics)

    def end(self, finished: bool) -> None:
        self.client.set_terminated(self.run_id, "FINISHED" if finished else "KILLED")


def file_like(name: str) -> str:
    """train/loss/0 -> train/loss.0: mlflow's files cannot have loss as a file and as a folder."""
    which, _, rest = name.partition("/")
    return f"{which}/{rest.replace('/', '.')}"


def start_backend(config: TrainingConfig) -> Backend:
    """Under the id that the run folder has, or under a new one that it then has."""
    name, path = str(config.run.tracker), config.folder / FILE
    known = read_json(path).get(name)
    run_id = known if isinstance(known, str) else ""
    backend: Wandb | Mlflow
    if name == "wandb":
        run_id = run_id or uuid.uuid4().hex[:8]
        backend = Wandb(config, run_id)
    else:
        backend = Mlflow(config, run_id)
        run_id = backend.run_id
    write_json(path, read_json(path) | {name: run_id}, indent=None)
    return backend


class Tracker:
    """Hands values to a tracker on another thread; nothing that goes wrong there is raised here."""

    def __init__(self, name: str, start: Callable[[], Backend], say: Callable[[str], None]) -> None:
        """say: where its first failure is reported."""
        self.name, self._start, self._say = name, start, say
        self._queue: queue.Queue[tuple[dict[str, float], int] | bool] = queue.Queue(WAITING)
        self._failure = ""
        self._reported = False
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def log(self, values: dict[str, float], step: int) -> None:
        """Never waits."""
        self._report()
        if not self._failure:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait((values, step))

    def end(self, finished: bool) -> None:
        """Wait a little for what is in the queue."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(finished)
        self._thread.join(END_SECONDS)
        if self._thread.is_alive() and not self._failure:
            self._failure = f"it did not end within {END_SECONDS:.0f} s"
        self._report()

    def _report(self) -> None:
        if self._failure and not self._reported:
            self._reported = True
            self._say(f"--tracker {self.name} failed ({self._failure}); the training continues without it")

    def _work(self) -> None:
        try:
            backend = self._start()
            while not isinstance(item := self._queue.get(), bool):
                backend.log(*item)
            backend.end(item)
        except BaseException as error:  # SystemExit too: trackers are other people's code
            self._failure = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def open_tracker(config: TrainingConfig, run: RunFolder | None) -> Tracker | None:
    """Of rank 0; None elsewhere and without --tracker."""
    if run is None or config.run.tracker is None:
        return None
    return Tracker(config.run.tracker, lambda: start_backend(config), run.say)
