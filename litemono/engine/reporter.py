"""What a training reports: a progress line, TensorBoard curves and pictures, its state in status.json."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Literal

import numpy as np

from litemono.engine import attempts
from litemono.engine.run_folder import RunFolder, ignore_transient_errors
from litemono.engine.signals import StoppedBySignal
from litemono.engine.tensorboard import Curves, trim
from litemono.engine.trackers import Tracker
from litemono.utils import cli
from litemono.utils.formatting import duration

EndState = Literal["finished", "stopped early", "interrupted", "failed"]
LINE_SECONDS = 20.0  # between progress lines where the output is a file
AVERAGE_STEPS = 50  # over which speed and data wait are averaged


class Clock:
    """Seconds per step and the share of them spent waiting for data, as running means."""

    def __init__(self) -> None:
        self.step_seconds = self.wait_seconds = 0.0
        self._steps = 0
        self._last = time.perf_counter()

    def restart(self) -> None:
        """Leave out what has passed since the last step (validation, checkpoints)."""
        self._last = time.perf_counter()

    def step(self, waited: float) -> None:
        now = time.perf_counter()
        self._steps += 1
        weight = 1 / min(self._steps, AVERAGE_STEPS)
        self.step_seconds += weight * (now - self._last - self.step_seconds)
        self.wait_seconds += weight * (waited - self.wait_seconds)
        self._last = now

    @property
    def data_wait(self) -> float:
        return self.wait_seconds / self.step_seconds if self.step_seconds else 0.0


class Reporter:
    """Writes on rank 0; on other ranks `run` is None and every call does nothing."""

    def __init__(self, run: RunFolder | None, tracker: Tracker | None = None) -> None:
        self.run, self.tracker = run, tracker
        self.clock = Clock()
        self.total_steps = self.batch_size = 0
        self.curves: dict[str, Curves] = {}
        """ "train" and "val" where this process writes."""
        self._complete = False
        self._line_time = 0.0
        self._terminal = sys.stdout.isatty()

    def start(self, step: int, total_steps: int, batch_size: int, restarts: int, *, validation_due: bool) -> None:
        """Open the curves for going on after `step`; what an interrupted process logged beyond it is cut off.

        validation_due: the epoch that `step` ends is still to be validated.
        """
        self.total_steps, self.batch_size = total_steps, batch_size
        if not self.run:
            return
        folder = self.run.path
        trim(folder / "train", step)
        trim(folder / "val", step - 1 if validation_due else step)
        self.curves = {which: Curves(folder / which, suffix=f".{restarts}") for which in ("train", "val")}
        self.run.status(
            now=True, state="starting", final=False, exit=None, message="",
            step=step, total_steps=total_steps, restarts=restarts,
        )  # fmt: skip

    def running(self) -> None:
        """Write the state to status.json at once, though there is no new progress line."""
        if self.run:
            self.run.status(now=True, state="running", final=False, exit=None, message="")

    def alive(self) -> None:
        """The process works on something other than steps."""
        if self.run:
            self.run.status()

    def end(self, state: EndState, exit_status: int, message: str = "") -> None:
        """The training ends: state and exit status for status.json, as litemono.jobs.requeue reads them."""
        if self.run:
            self._complete = state in ("finished", "stopped early")
            final = exit_status in cli.FINAL
            self.run.status(now=True, state=state, final=final, exit=exit_status, message=message)
            with ignore_transient_errors():
                attempts.end(self.run.path)

    def failed(self, error: BaseException) -> None:
        """The training ends with `error`."""
        if isinstance(error, StoppedBySignal):
            self.end("interrupted", error.exit_status, str(error))
        else:
            self.end("failed", cli.exit_status(error), f"{type(error).__name__}: {error}")

    def best(self, best: dict[str, float]) -> None:
        if self.run:
            self.run.status(best=best)

    def say(self, message: str) -> None:
        if self.run:
            self._end_line()
            self.run.say(message)

    def progress(
        self, epoch: int, num_epochs: int, in_epoch: int, steps_per_epoch: int, step: int, loss: float
    ) -> None:
        """The live line: rewritten in place on a terminal, one line every 20 s in a log."""
        if not self.run:
            return
        eta = (self.total_steps - step) * self.clock.step_seconds
        speed = self.batch_size / self.clock.step_seconds
        self.run.status(
            state="running",
            epoch=epoch,
            step=step,
            steps_per_epoch=steps_per_epoch,
            total_steps=self.total_steps,
            images_per_second=round(speed, 2),
            data_wait=round(self.clock.data_wait, 4),
            loss=loss,
            eta_seconds=round(eta),
        )
        line = (
            f"epoch {epoch + 1}/{num_epochs}  step {in_epoch}/{steps_per_epoch}  loss {loss:.4f}  {speed:.1f} img/s  "
            f"data wait {self.clock.data_wait:.0%}  ETA {duration(eta)}"
        )
        if self._terminal:
            print(f"\r\x1b[K{line}", end="", flush=True)
        elif time.monotonic() - self._line_time > LINE_SECONDS or in_epoch == steps_per_epoch:
            self._line_time = time.monotonic()
            self.run.say(line)

    def _end_line(self) -> None:
        if self._terminal:
            print("\r\x1b[K", end="")

    def train_scalars(self, step: int, values: dict[str, float]) -> None:
        """A point on each of the training curves, by tag, and one on those of speed and data wait."""
        if not self.run:
            return
        machine = {
            "images_per_second": self.batch_size / self.clock.step_seconds,
            "data_wait": self.clock.data_wait,
        }
        self._scalars("train", step, values | machine)

    def _scalars(self, which: str, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.curves[which].scalar(name, value, step)
        if self.tracker:
            self.tracker.log({f"{which}/{name}": value for name, value in values.items()}, step)

    def pictures(self, which: str, step: int, images: Iterable[tuple[str, np.ndarray]]) -> None:
        """Named images, (3 or 1, H, W), on the curves of "train" or "val"."""
        if not self.run:
            return
        for tag, pixels in images:
            self.curves[which].image(tag, pixels, step)

    def validation(self, step: int, results: dict[str, float]) -> None:
        if not self.run:
            return
        self._scalars("val", step, results)
        self.say("validation  " + "  ".join(f"{name} {value:.4f}" for name, value in results.items()))

    def flush(self) -> None:
        """Put every event on disk: called before a checkpoint, so that the curves never lack a step."""
        for curves in self.curves.values():
            curves.flush()

    def close(self) -> None:
        for curves in self.curves.values():
            curves.close()
        if self.tracker:
            self.tracker.end(self._complete)
