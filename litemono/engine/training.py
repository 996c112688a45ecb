"""A training in memory: networks, optimisers, data and how far it is; saved to and restored from checkpoints."""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from litemono.config import Precision, TrainConfig, to_json
from litemono.data.augment import Views
from litemono.data.triplets import Batch
from litemono.engine import checkpoint
from litemono.engine.checkpoint_paths import checkpoint_folder, checkpoint_path, has_checkpoints
from litemono.engine.distributed import World
from litemono.engine.grad_guard import Guard
from litemono.engine.precision import apply_precision, choose_precision, use_channels_last
from litemono.engine.readback import Readback
from litemono.engine.reporter import Reporter
from litemono.engine.run_folder import RunFolder
from litemono.engine.step import Numbers, StepResult
from litemono.losses.compiled import fused_kernels
from litemono.tasks.monodepth import Data, build_data, build_model, build_optimizers, load_initial_weights
from litemono.tasks.monodepth_model import DepthPoseModel, Output
from litemono.utils.atomic_files import write_atomically
from litemono.utils.errors import UserError
from networks import weights


@dataclass
class Progress:
    """How far the run is: with weights and optimisers, all that a resume needs."""

    epoch: int = 0
    samples: int = 0
    """Training samples of this epoch already used; in samples, so that batch size and process count may change."""
    step: int = 0
    """Optimiser steps since the start of the run, skipped ones included."""
    validated: int = 0
    """Step of the last validation."""
    restarts: int = 0
    best: dict[str, float] = field(default_factory=dict)
    """Best validation results so far, by name."""


FORMAT = 2  # of the checkpoints' contents

# Validation results that choose best weights (lower is better), and the folder under models/ that keeps them.
BEST = {"loss": "best_loss", "de/abs_rel": "best_abs_rel"}


class Moment(NamedTuple):
    """When a step was made, for telling about it when its numbers arrive."""

    epoch: int
    in_epoch: int
    step: int


@dataclass
class Training:
    config: TrainConfig
    world: World
    data: Data
    model: DepthPoseModel
    optimizers: list[torch.optim.Optimizer]
    """Depth, pose (no second one in stereo-only training)."""
    run: RunFolder | None
    """None except on rank 0, which alone writes."""
    report: Reporter
    parallel: nn.Module
    """The model, wrapped where there are several processes."""
    precision: Precision
    guard: Guard
    readback: Readback[Moment]
    progress: Progress = field(default_factory=Progress)
    known: Numbers = Numbers(0, 0, 0, 0, 0, 1, ())
    """Of the newest step whose numbers have arrived from the device."""
    stop_asked: bool = False
    """A signal reached one of the processes; true on all of them after the same step."""
    save_asked: bool = False
    """A process finds that it is time for a checkpoint; true on all of them after the same step too."""
    last_save: float = field(default_factory=time.monotonic)

    @property
    def global_batch(self) -> int:
        return self.config.optim.batch_size * self.world.size

    @property
    def steps_per_epoch(self) -> int:
        return self.data.train_samples // self.global_batch

    @property
    def finished(self) -> bool:
        """All epochs are done, or --max_steps are and their weights are validated and written."""
        ended_early = self.at_max_steps and self.progress.validated == self.progress.step
        return self.progress.epoch >= self.config.optim.num_epochs or ended_early

    @property
    def at_max_steps(self) -> bool:
        limit = self.config.run.max_steps
        return limit is not None and self.progress.step >= limit

    @property
    def total_steps(self) -> int:
        """Steps at the end of the run, as far as can be foreseen from here."""
        left_in_epoch = (self.data.train_samples - self.progress.samples) // self.global_batch
        epochs_after = self.config.optim.num_epochs - self.progress.epoch - 1
        total = self.progress.step + left_in_epoch + epochs_after * self.steps_per_epoch
        return min(total, self.config.run.max_steps or total)

    def set_rates(self, rates: tuple[float, float]) -> None:
        for optimizer, rate in zip(self.optimizers, rates, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def batches(self) -> Iterator[tuple[float, Batch]]:
        """What is left of this epoch, each batch with the seconds it was waited for."""
        self.data.train_batches.seek(self.progress.epoch, self.progress.samples)
        self.report.clock.restart()
        iterator = iter(self.data.train)
        while not self.at_max_steps:
            start = time.perf_counter()
            batch = next(iterator, None)
            if batch is None:
                return
            yield time.perf_counter() - start, batch

    def advance(self, result: StepResult, waited: float, stop: bool) -> None:
        """Count a step, and tell about those whose numbers are here by now."""
        progress = self.progress
        progress.step += 1
        progress.samples += self.global_batch
        self.report.clock.step(waited)
        save = time.monotonic() - self.last_save >= 60 * self.config.run.checkpoint_minutes
        asked = [torch.full_like(result.numbers[:1], float(flag)) for flag in (stop, save)]
        numbers = self.world.mean(torch.cat([*asked, result.numbers]))
        self.readback.push(numbers, Moment(progress.epoch, progress.samples // self.global_batch, progress.step))
        self._hear(self.readback.ripe())
        pictures_due = progress.step % self.config.run.images_every == 0  # for which a GPU is waited for anyway
        if pictures_due and not Numbers.read(result.numbers.tolist()).forbidden:
            self.report.pictures("train", progress.step, result.views.color[:, 0], result.output)

    def _hear(self, arrived: Iterable[tuple[list[float], Moment]]) -> None:
        for (stop, save, *numbers), moment in arrived:
            self.known = Numbers.read(numbers)
            self.stop_asked = self.stop_asked or stop > 0
            self.save_asked = self.save_asked or save > 0
            self._tell(moment, self.known)

    def _tell(self, moment: Moment, numbers: Numbers) -> None:
        """The progress line, a skipped step, and every so many steps a point on the curves."""
        epoch, in_epoch, step = moment
        self.report.progress(epoch, self.config.optim.num_epochs, in_epoch, self.steps_per_epoch, step, numbers.loss)
        if numbers.forbidden:
            reason = f"loss {numbers.loss:.4g}, gradient norm {numbers.grad_norm:.4g}"
            self.report.say(f"step {step} skipped: {reason}" + self._scaling(numbers.loss_scale))
        elif step % self.config.run.log_every == 0:
            names = [f"loss/{scale}" for scale in self.config.loss.scales]
            rates = {
                f"lr/{name}": o.param_groups[0]["lr"]
                for name, o in zip(("depth", "pose"), self.optimizers, strict=False)
            }
            values = {
                "loss": numbers.loss,
                **dict(zip(names, numbers.losses, strict=True)),
                "grad_norm": numbers.grad_norm,
                "skipped_steps": numbers.skipped,
                **rates,
            }
            if self.guard.scaling:
                values["loss_scale"] = numbers.loss_scale
            self.report.train_scalars(step, values)

    def _scaling(self, loss_scale: float) -> str:
        return f", loss scale {loss_scale:.0f}" if self.guard.scaling else ""

    def checkpoint_due(self) -> bool:
        """Asked for, and not at the epoch's last step, which is saved together with its validation."""
        return self.save_asked and self.progress.samples + self.global_batch <= self.data.train_samples

    def save(self) -> None:
        """Write a checkpoint, after everything that must not be missing when it is resumed from."""
        self._hear(self.readback.drain())
        self.report.flush()
        if self.run:
            checkpoint.save(self.run.checkpoints, self.progress.step, self._state(), self.config.run.keep_checkpoints)
            self.report.state("running")
        self.last_save, self.save_asked = time.monotonic(), False

    def _state(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "progress": asdict(self.progress),
            "guard": self.guard.state_dict(),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            **self.data.fingerprints,
        }

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("format") != FORMAT:
            raise UserError(
                f"{self.config.folder}/checkpoints are of an older litemono: finish the run with that version, or start "
                "another --model_name from its --load_weights models/last"
            )
        for name, now in self.data.fingerprints.items():
            then = state.get(name, now)  # checkpoints of before 2026-11-21 have none of the validation list
            if then != now:
                verb = "trained" if name == "data" else "validated"
                raise UserError(
                    f"{self.config.folder} was {verb} on another list of samples ({then}, now {now}): restore the split and "
                    "the frames to resume, or use another --model_name"
                )
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
            match_arrangement(optimizer)
        self.guard.load_state_dict(state["guard"])
        self.progress = Progress(**state["progress"])
        self.progress.restarts += 1

    def close_epoch(self, results: dict[str, float], views: Views, output: Output) -> None:
        """Curves, models/weights_N, best and last, then the checkpoint of the epoch's end."""
        epoch, step = self.progress.epoch, self.progress.step
        self.report.validation(step, results)
        self.report.pictures("val", step, views.color[:, 0], output)
        better = [
            name for name in BEST if name in results and results[name] < self.progress.best.get(name, float("inf"))
        ]
        self.progress.best |= {name: results[name] for name in better}
        if self.run:
            folder = self.run.models / f"weights_{epoch}"
            weights.save_folder(folder, self.model.depth, self.model.pose, use_stereo=self.config.loss.use_stereo)
            metrics = {"epoch": epoch, "step": step, "validation": results}
            write_atomically(folder / "validation.json", (json.dumps(metrics, indent=1) + "\n").encode())
            # Model and depth range, for evaluate and predict wherever the weights are copied.
            write_atomically(folder / "config.json", to_json(self.config).encode())
            for name in ("last", *(BEST[name] for name in better)):
                self.run.copy_weights(folder, name)
        self.progress.validated = step
        if self.progress.samples + self.global_batch > self.data.train_samples:  # not cut short by --max_steps
            self.progress.epoch, self.progress.samples = epoch + 1, 0
        self.report.best(self.progress.best)
        self.save()


@contextlib.contextmanager
def open_training(config: TrainConfig, world: World) -> Iterator[Training]:
    """Everything a run needs, checked before its folder is touched; resumed from the newest whole checkpoint."""
    if config.optim.sync_bn and world.device.type == "cpu":
        raise UserError("--sync_bn works on GPUs only (torch has it for CUDA alone); leave it out")
    precision = choose_precision(config.optim.precision, world.device)
    apply_precision(precision)
    torch.manual_seed(config.run.seed)
    data = build_data(config, world)
    model = model_on_device(config, precision, world.device)
    run = world.on_main(lambda: RunFolder(config))
    try:
        report = Reporter(run)
        training = Training(
            config=config,
            world=world,
            data=data,
            model=model,
            optimizers=build_optimizers(config, model),
            run=run,
            report=report,
            parallel=parallelise(model, world, config.optim.sync_bn),
            precision=precision,
            guard=Guard(world.device, precision),
            readback=Readback(world.device),
        )
        state = newest_checkpoint(config.folder, world, report)
        if state is not None:
            training.restore(state)
        progress = training.progress
        epoch_done = progress.samples + training.global_batch > data.train_samples
        due = epoch_done or training.at_max_steps and not training.finished
        report.start(progress.step, training.total_steps, training.global_batch, progress.restarts, validation_due=due)
        report.say(describe(training))
        yield training
    except BaseException as error:
        if run:
            with contextlib.suppress(OSError, UserError):  # the disk may be what failed
                run.status(now=True, state="failed", message=f"{type(error).__name__}: {error}")
        raise
    finally:
        if run:
            with contextlib.suppress(OSError):
                report.close()
            run.close()


def model_on_device(config: TrainConfig, precision: Precision, device: torch.device) -> DepthPoseModel:
    """As it trains there: laid out and compiled for it, with its first weights unless a checkpoint has later ones."""
    model = build_model(config)
    if not has_checkpoints(config.folder):
        load_initial_weights(config, model)
    model.to(device)
    use_channels_last(model, precision, device)
    if config.optim.compile:
        model.kernels = fused_kernels(candidates_shape(config), device)
    return model


def newest_checkpoint(run: Path, world: World, report: Reporter) -> dict[str, Any] | None:
    """The newest whole one that rank 0 sees, on every process: what each sees in a shared folder may differ for a while."""
    folder = checkpoint_folder(run)
    state = world.on_main(lambda: checkpoint.load_newest(folder, warn=report.say))
    step = world.of_main(-1 if state is None else state["progress"]["step"])
    if step >= 0 and not world.is_main:
        state = checkpoint.load(checkpoint_path(folder, step))
    return state


def match_arrangement(optimizer: torch.optim.Optimizer) -> None:
    """Moments laid out in memory like their weights, as fused updates need them: a checkpoint may be of other hardware."""
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape and value.stride() != parameter.stride():
                moments[name] = torch.empty_like(parameter).copy_(value)


def candidates_shape(config: TrainConfig) -> tuple[int, int, int, int, int]:
    """(B, S, 3, H, W) of the warped views that one forward pass compares with its targets."""
    sources = len(config.loss.frame_ids) - 1 + config.loss.use_stereo
    return config.optim.batch_size // config.optim.accumulate, sources, 3, config.model.height, config.model.width


def parallelise(model: DepthPoseModel, world: World, sync_bn: bool) -> nn.Module:
    """The model as it trains on this process."""
    if world.size == 1:
        return model
    if sync_bn:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # in place, with the same parameters
    # A 1x1 convolution's gradient has one order in memory and two names for it; torch takes that for two orders.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    devices = [world.device.index] if world.device.type == "cuda" else None
    # Every trainable tensor gets a gradient, unless --scales leaves out a head of the decoder.
    heads_left_out = set(model.loss_config.scales) != set(model.depth.scales)
    # Unless it looks for such tensors, torch groups them anew after its first step. The sums of three processes and more
    # depend on the groups, and the first step after a resume would have other bits than without the interruption.
    warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
    look = heads_left_out or world.size > 2
    return DistributedDataParallel(model, device_ids=devices, find_unused_parameters=look)


def describe(t: Training) -> str:
    """The first line of a run: what trains on what, and from where."""
    c, progress = t.config, t.progress
    device = (
        torch.cuda.get_device_name(t.world.device)
        if t.world.device.type == "cuda"
        else f"CPU, {torch.get_num_threads()} threads"
    )
    start = f"resumed at step {progress.step} (epoch {progress.epoch + 1})" if progress.restarts else "starts"
    return (
        f"{c.folder}: {c.model.model} {c.model.width}x{c.model.height}, {t.data.train_samples} training and "
        f"{t.data.val_samples} validation samples, batch {t.global_batch}, {c.optim.num_epochs} epochs, {device}, "
        f"{t.precision}; {start}"
    )
