"""The numbers of the steps, as they arrive from the device: progress line, curves, requests to stop or to save."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch

from litemono.engine.distributed import Processes
from litemono.engine.readback import Readback
from litemono.engine.reporter import Reporter
from litemono.engine.settings import TrainingConfig
from litemono.engine.step import Numbers, StepResult


class StepMark(NamedTuple):
    """Which step the numbers belong to."""

    epoch: int
    in_epoch: int
    steps_per_epoch: int
    step: int
    part_names: tuple[str, ...]
    rates: dict[str, float]
    """Learning rates, by the tag of their curve."""


class StepLog:
    """Reads back each step's numbers, averaged over all processes, some steps later and in order.

    A signal to stop and the request for a checkpoint travel with the numbers, so that all processes act after the same
    step.
    """

    def __init__(self, processes: Processes, report: Reporter, config: TrainingConfig, loss_scaling: bool) -> None:
        self.processes, self.report, self.config = processes, report, config
        self.loss_scaling = loss_scaling
        self.newest = Numbers(0, 0, 0, 0, 0, 1, ())
        """Of the newest step whose numbers have arrived."""
        self.stop_requested = False
        """A signal reached one of the processes."""
        self.save_requested = False
        """A process finds that a checkpoint is due."""
        self._readback: Readback[StepMark] = Readback(processes.device)

    def push(self, result: StepResult, mark: StepMark, *, stop: bool, save: bool) -> None:
        """Queue the numbers of the step just taken, and log those that have arrived."""
        requests = [torch.full_like(result.numbers[:1], float(flag)) for flag in (stop, save)]
        self._readback.push(self.processes.mean(torch.cat([*requests, result.numbers])), mark)
        self._read(self._readback.arrived())

    def drain(self) -> None:
        """Log all that is still on its way."""
        self._read(self._readback.drain())

    def _read(self, arrived: Iterable[tuple[list[float], StepMark]]) -> None:
        for (stop, save, *numbers), mark in arrived:
            self.newest = Numbers.read(numbers)
            self.stop_requested = self.stop_requested or stop > 0
            self.save_requested = self.save_requested or save > 0
            self._log(mark, self.newest)

    def _log(self, mark: StepMark, numbers: Numbers) -> None:
        """The progress line, a skipped step, and every so many steps a point on the curves."""
        epochs = self.config.optim.num_epochs
        self.report.progress(mark.epoch, epochs, mark.in_epoch, mark.steps_per_epoch, mark.step, numbers.loss)
        if numbers.skipped_now:
            scale = f", loss scale {numbers.loss_scale:.0f}" if self.loss_scaling else ""
            self.report.say(
                f"step {mark.step} skipped: loss {numbers.loss:.4g}, gradient norm {numbers.grad_norm:.4g}{scale}"
            )
        elif mark.step % self.config.run.log_every == 0:
            values = {
                "loss": numbers.loss,
                **{f"loss/{name}": value for name, value in zip(mark.part_names, numbers.parts, strict=True)},
                "grad_norm": numbers.grad_norm,
                "skipped_steps": numbers.skipped,
                **mark.rates,
            }
            if self.loss_scaling:
                values["loss_scale"] = numbers.loss_scale
            self.report.train_scalars(mark.step, values)
