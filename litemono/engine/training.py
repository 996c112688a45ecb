"""A training in memory: networks, optimisers, data, and how far it is."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from litemono.engine import attempts, early_stop, resume
from litemono.engine.checkpoint_paths import checkpoint_folder, has_checkpoints
from litemono.engine.checkpoint_writer import CheckpointWriter
from litemono.engine.distributed import Processes, parallelise
from litemono.engine.grad_guard import GradGuard
from litemono.engine.graphed_step import CudaGraphs, GraphedStep, check_graph, optimizer_settings
from litemono.engine.node_health import node_name
from litemono.engine.precision import apply_precision, choose_precision, slow_precision
from litemono.engine.reporter import Reporter
from litemono.engine.resume import Progress
from litemono.engine.run_folder import RunFolder, ignore_transient_errors
from litemono.engine.settings import Precision, TrainingConfig, to_json
from litemono.engine.step import Numbers, StepResult, TaskModule, train_step
from litemono.engine.step_log import StepLog, StepMark
from litemono.engine.task import Accelerates, Batch, ParameterGroup, Task, TaskData
from litemono.engine.trackers import check_tracker, open_tracker
from litemono.utils.device import cpu_features
from litemono.utils.errors import UserError


@dataclass
class Training:
    """What the loop works on. `global_batch`, `total_steps` and the like follow from its parts."""

    config: TrainingConfig
    task: Task
    processes: Processes
    data: TaskData
    networks: nn.Module
    schedules: list[Callable[[float], float]]
    """Epochs trained -> learning rate, for each of `optimizers`."""
    optimizers: dict[str, torch.optim.Optimizer]
    """One for each parameter group of the task, by the tag of its learning rate's curve."""
    run: RunFolder | None
    """None except on rank 0, which alone writes."""
    report: Reporter
    model: nn.Module
    """The networks with the task's forward pass, wrapped where there are several processes."""
    precision: Precision
    guard: GradGuard
    log: StepLog
    writer: CheckpointWriter
    progress: Progress = field(default_factory=Progress)
    last_save: float = field(default_factory=time.monotonic)
    rates: dict[str, float] = field(default_factory=dict)
    """Learning rates of the step being taken, by tag."""

    @property
    def global_batch(self) -> int:
        return self.config.optim.batch_size * self.processes.size

    @property
    def steps_per_epoch(self) -> int:
        return self.data.train_samples // self.global_batch

    @property
    def epoch_done(self) -> bool:
        """No whole batch is left in this epoch."""
        return self.progress.samples + self.global_batch > self.data.train_samples

    @property
    def at_max_steps(self) -> bool:
        limit = self.config.run.max_steps
        return limit is not None and self.progress.step >= limit

    @property
    def finished(self) -> bool:
        """All epochs are done, or --max_steps are and their weights are validated and written."""
        ended_early = self.at_max_steps and self.progress.validated == self.progress.step
        return self.progress.epoch >= self.config.optim.num_epochs or ended_early

    @property
    def total_steps(self) -> int:
        """Steps at the end of the run, as far as can be foreseen from here."""
        left_in_epoch = (self.data.train_samples - self.progress.samples) // self.global_batch
        epochs_after = self.config.optim.num_epochs - self.progress.epoch - 1
        total = self.progress.step + left_in_epoch + epochs_after * self.steps_per_epoch
        return min(total, self.config.run.max_steps or total)

    def set_rates(self) -> None:
        """Learning rates of the next step."""
        epochs = self.progress.epoch + self.progress.samples / self.data.train_samples
        for (tag, optimizer), schedule in zip(self.optimizers.items(), self.schedules, strict=True):
            self.rates[tag] = schedule(epochs)
            group = optimizer.param_groups[0]
            if isinstance(group["lr"], torch.Tensor):  # read by a recorded step
                group["lr"].fill_(self.rates[tag])
            else:
                group["lr"] = self.rates[tag]

    def batches(self) -> Iterator[tuple[float, Batch]]:
        """What is left of this epoch, each batch with the seconds it was waited for."""
        self.data.order.seek(self.progress.epoch, self.progress.samples)
        self.report.clock.restart()
        iterator = iter(self.data.train)
        while not self.at_max_steps:
            start = time.perf_counter()
            batch = next(iterator, None)
            if batch is None:
                return
            yield time.perf_counter() - start, batch

    def advance(self, result: StepResult, waited: float, stop: bool) -> None:
        """Count a step, and log those whose numbers have arrived from the device."""
        self.progress.step += 1
        self.progress.samples += self.global_batch
        self.report.clock.step(waited)
        save = time.monotonic() - self.last_save >= 60 * self.config.run.checkpoint_minutes
        self.log.push(result, self.mark(result), stop=stop, save=save)
        pictures_due = (
            self.progress.step % self.config.run.images_every == 0
        )  # the host waits for the device here anyway
        if pictures_due and not Numbers.read(result.numbers.tolist()).skipped_now:
            self.report.pictures("train", self.progress.step, self.task.pictures(result.shown))

    def mark(self, result: StepResult) -> StepMark:
        """Of the step just taken."""
        progress, in_epoch = self.progress, self.progress.samples // self.global_batch
        names, rates = result.part_names, dict(self.rates)
        return StepMark(progress.epoch, in_epoch, self.steps_per_epoch, progress.step, names, rates)

    def checkpoint_due(self) -> bool:
        """Requested, and not at the epoch's last step, which is saved together with its validation."""
        return self.log.save_requested and not self.epoch_done

    def begin_save(self) -> None:
        """Copy the state, for a checkpoint that is written while the next steps are taken. What must not be missing when it is
        resumed from is on disk before."""
        self.log.drain()
        self.report.flush()
        if self.run:
            self.writer.write(self.progress.step, resume.state_of(self))
            self.report.running()
        self.last_save, self.log.save_requested = time.monotonic(), False

    def save(self) -> None:
        """Write a checkpoint; it is complete when this returns."""
        self.begin_save()
        self.writer.wait()


@contextlib.contextmanager
def open_training(task: Task, config: TrainingConfig, processes: Processes) -> Iterator[Training]:
    """Everything a run needs, checked before its folder is touched; resumed from the newest complete checkpoint."""
    if config.optim.sync_bn and processes.device.type == "cpu":
        raise UserError("--sync_bn works on GPUs only (torch has it for CUDA alone); leave it out")
    if config.optim.cuda_graph:
        check_graph(processes.device, processes.size)
    resume.check_same_run(config)
    early_stop.check_metric(config, task)
    check_tracker(config)
    precision = choose_precision(config.optim.precision, processes.device)
    if (warning := slow_precision(precision, processes.device, cpu_features())) and processes.is_main:
        print(f"warning: {warning}", file=sys.stderr, flush=True)
    apply_precision(precision)
    torch.manual_seed(config.run.seed)
    data = task.data(processes)
    networks = task.build(processes.device, precision)
    if not has_checkpoints(config.folder):
        task.initialise(networks)
    if isinstance(task, Accelerates):
        task.accelerate(networks, processes.device, precision)
    run = processes.on_main(lambda: RunFolder(config.folder, to_json(config)))
    report = Reporter(run, open_tracker(config, run))
    writer = CheckpointWriter(checkpoint_folder(config.folder), config.run.keep_checkpoints)
    try:
        note_attempt(run, processes)
        training = assemble(task, config, processes, data, networks, run, report, precision, writer)
        state = resume.newest_checkpoint(config.folder, processes, report)
        if state is not None:
            resume.restore(training, state)
        begin_report(training)
        yield training
        writer.wait()
    except BaseException as error:
        with contextlib.suppress(Exception):  # what ended the training is what counts
            writer.wait()
        with contextlib.suppress(OSError, UserError):  # the disk may be what failed
            report.failed(error)
        raise
    finally:
        writer.close()
        if run:
            with contextlib.suppress(OSError):
                report.close()
            run.close()


def note_attempt(run: RunFolder | None, processes: Processes) -> None:
    """A line in attempts.jsonl for this start."""
    places = processes.gather({"node": node_name(), "device": processes.device_name})
    if run:
        with ignore_transient_errors():
            attempts.begin(run.path, places)


def assemble(
    task: Task,
    config: TrainingConfig,
    processes: Processes,
    data: TaskData,
    networks: nn.Module,
    run: RunFolder | None,
    report: Reporter,
    precision: Precision,
    writer: CheckpointWriter,
) -> Training:
    """A training at its start."""
    groups, guard = task.parameter_groups(networks), GradGuard(processes.device, precision)
    recorded = optimizer_settings(processes.device) if config.optim.cuda_graph else {}
    return Training(
        config=config,
        task=task,
        processes=processes,
        data=data,
        networks=networks,
        schedules=[group.schedule for group in groups],
        optimizers={f"lr/{group.name}": adamw(group, recorded) for group in groups},
        run=run,
        report=report,
        model=parallelise(TaskModule(task, networks), processes, config.optim.sync_bn),
        precision=precision,
        guard=guard,
        log=StepLog(processes, report, config, guard.scaling),
        writer=writer,
    )


def adamw(group: ParameterGroup, settings: dict[str, Any] | None = None) -> torch.optim.AdamW:
    """Fused: one pass over all tensors, and an update that can be skipped on the device (step.py). foreach where torch has no
    fused update for the device."""
    kind = "fused" if has_fused_updates(group.parameters[0]) else "foreach"
    return torch.optim.AdamW(group.parameters, **{"lr": 0.0, kind: True, **group.settings, **(settings or {})})


def has_fused_updates(parameter: nn.Parameter) -> bool:
    """Whether torch's fused AdamW takes parameters of this device and number format. torch says it at the first step."""
    probe = torch.zeros(1, device=parameter.device, dtype=parameter.dtype, requires_grad=True)
    probe.grad = torch.zeros_like(probe)
    try:
        torch.optim.AdamW([probe], fused=True).step()
    except RuntimeError:
        return False
    return True


def step_of(t: Training) -> Callable[[Batch], StepResult]:
    """What takes a step of the training: batch -> result, valid until the next call."""
    optim = t.config.optim
    step = partial(
        train_step,
        t.model,
        list(t.optimizers.values()),
        guard=t.guard,
        device=t.processes.device,
        precision=t.precision,
        accumulate=optim.accumulate,
        spike_factor=optim.spike_factor,
        clip_norm=optim.clip_norm,
        clip_value=optim.clip_value,
    )
    device = t.processes.device
    return GraphedStep(step, t.guard, device, CudaGraphs(device)) if optim.cuda_graph else step


def begin_report(t: Training) -> None:
    """Open the curves where the run resumes, and print what trains on what."""
    progress = t.progress
    due = t.epoch_done or t.at_max_steps and not t.finished
    t.report.start(progress.step, t.total_steps, t.global_batch, progress.restarts, validation_due=due)
    device = t.processes.device_name
    if device == "CPU":
        device = f"CPU, {torch.get_num_threads()} threads"
    start = f"resumed at step {progress.step} (epoch {progress.epoch + 1})" if progress.restarts else "starts"
    t.report.say(
        f"{t.config.folder}: {t.task.description}, {t.data.train_samples} training and {t.data.val_samples} validation "
        f"samples, batch {t.global_batch}, {t.config.optim.num_epochs} epochs, {device}, {t.precision}; {start}"
    )
