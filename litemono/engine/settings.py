"""The settings that every training has. Each field is a command-line flag of the same name.

A command's own settings extend `TrainingConfig` beside its task, such as tasks/monodepth/settings.py. Nothing here
imports torch, so that a wrong flag is answered at once.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from typing_extensions import Self

from litemono.engine.lr_schedule import Rate, ScheduleName, group_rates
from litemono.utils.errors import require

Precision = Literal["fp32", "tf32", "fp16", "bf16"]


@dataclass(frozen=True)
class OptimConfig:
    """Optimisation: one AdamW for each parameter group."""

    batch_size: int = 12
    """Samples per optimiser step and process."""
    accumulate: int = 1
    """Split each batch into this many equal parts and add up their gradients: less memory, same batch size.
    BatchNorm then sees the parts."""
    precision: Precision | None = None
    """Numbers the networks compute in; geometry and loss are float32 always. Default: fp16 with loss scaling on V100 and
    T4, bf16 on newer GPUs, fp32 on older ones and on a CPU. tf32: float32 storage, 10-bit products (newer GPUs)."""
    cuda_graph: bool = False
    """Record the training step once as a CUDA graph and replay it: one launch instead of thousands. For one GPU."""
    sync_bn: bool = False
    """Several GPUs: BatchNorm statistics over the batches of all processes, instead of each process's own.
    Each such layer then waits for the GPU."""
    num_epochs: int = 30
    """Epochs to train."""
    schedule: ScheduleName = "published"
    """Learning rate over the run: published (cosine with restarts, one value per epoch), cosine, one-cycle, polynomial or
    constant."""
    lr: tuple[float, ...] = ()
    """Learning rates: three values for each parameter group (max min cycle), one maximum for each group, or one maximum
    from which the rest follows in the default's proportions. Default: the command's own, printed when the run starts."""
    warmup_epochs: float = 0.0
    """Raise the learning rate linearly from 0 over this part of the run."""
    weight_decay: float = 1e-2
    """AdamW weight decay, on every tensor."""
    eps: float = 1e-8
    """Added to the root of AdamW's second moments."""
    clip_norm: float = 0.0
    """Scale gradients down to this norm over all parameters; 0: do not."""
    clip_value: float = 0.0
    """Limit each entry of a gradient to this size; 0: do not."""
    spike_factor: float = 100.0
    """Skip a step whose gradient norm is this many times the running mean (non-finite ones always); 0: never."""
    max_bad_steps: int = 10
    """Stop the run after this many skipped steps in a row."""


@dataclass(frozen=True)
class RunConfig:
    """Where the run folder is, and what is written to it when."""

    log_dir: Path = Path("runs")
    """Parent of run folders."""
    model_name: str | None = None
    """Name of the run; the folder is log_dir/model_name. Default: the model's name. The same name resumes."""
    seed: int = 0
    """Sample order, augmentation and initialisation are functions of it."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints for exact resume (one is also written after each epoch and on a signal). 0: every step."""
    keep_checkpoints: int = 3
    """How many of the newest checkpoints to keep."""
    log_every: int = 50
    """Steps between TensorBoard scalars."""
    images_every: int = 1000
    """Steps between TensorBoard pictures."""
    max_steps: int | None = None
    """Stop after this many optimiser steps in all (a trial run); default: num_epochs decides."""
    max_val_steps: int | None = None
    """Validate on so many batches only (a trial run); default: the whole split."""
    hang_minutes: float | None = None
    """End the training when no step was finished for so long: the stacks of its processes go to the log, and a job is requeued.
    0: never. Default: 10, or 20 steps where that is longer; three steps at least. Shorter than a step: exit status 2."""
    tracker: Literal["wandb", "mlflow"] | None = None
    """Send the curves to an experiment tracker too: pip install 'litemono[wandb]' or 'litemono[mlflow]'. In a Slurm job wandb
    is offline unless WANDB_MODE says otherwise; mlflow writes to LOG_DIR/mlruns unless MLFLOW_TRACKING_URI does."""
    stop_early: str | None = None
    """In a sweep, stop runs that are bad by this validation result, such as abs_rel: at each rung a run is compared with
    the runs beside it (successive halving, ASHA). Without this flag the same command resumes what was stopped."""
    first_rung: int = 1
    """With --stop_early: epochs before runs are first compared."""
    reduction_factor: int = 3
    """With --stop_early: at each rung the best 1/N continue; the next rung is N times as many epochs."""
    profile: int | None = None
    """Record this many steps, after the first few, with torch's profiler: profile/ in the run folder gets a trace and five
    lines on where the time goes. Training continues afterwards."""


@dataclass(frozen=True)
class TrainingConfig:
    """The settings that the engine reads of any training. Each field is a group: a dataclass whose fields are flags."""

    default_rates: ClassVar[tuple[Rate, ...]]
    """Of the task's parameter groups, where --lr is not given."""

    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)

    @classmethod
    def defaults(cls, args: Sequence[str]) -> Self:
        """What flags leave open, where command-line arguments decide that."""
        return cls()

    @property
    def default_name(self) -> str:
        """Name of the run where --model_name is not given."""
        return "run"

    @property
    def fixed_by_schedule(self) -> tuple[str, ...]:
        """Flags that a resumed run may otherwise change, but on which this learning-rate schedule depends."""
        return () if self.optim.schedule in ("published", "constant") else ("num_epochs",)

    def for_cores(self, cores: int) -> Self:
        """The same for a job with this many cores, where the settings leave the number of threads open."""
        return self

    @property
    def rates(self) -> list[Rate]:
        """Learning rates of the task's parameter groups."""
        return group_rates(self.optim.lr, self.default_rates)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.log_dir / (self.run.model_name or self.default_name)


def check_training(config: TrainingConfig) -> None:
    """Raise UserError for values that no training can have, before anything is written or queued."""
    check_name(config.run.model_name)
    longest = max(config.folder.parts, key=lambda part: len(part.encode()), default="")
    require(
        len(longest.encode()) <= 255, f"{config.folder}: no file system takes a name of {len(longest.encode())} bytes"
    )
    check_counts(config.optim, config.run)
    group_rates(config.optim.lr, config.default_rates)


def check_name(name: str | None) -> None:
    """UserError for a name of a run that is no path below --log_dir."""
    if name is None:
        return
    require(name.strip(), "--model_name: give a name that is not empty")
    require(name.isprintable(), f"--model_name {name!r}: a name has no line breaks or other control characters")
    path = Path(name)
    inside = not path.is_absolute() and ".." not in path.parts and path.name != ""
    place = path if ".." not in path.parts and path.name else Path("FOLDER/NAME")
    require(
        inside,
        f"--model_name {name}: a name, below --log_dir; to put the run elsewhere: "
        f"--log_dir {shlex.quote(str(place.parent))} --model_name {shlex.quote(place.name)}",
    )


def check_not_negative(name: str, value: float) -> None:
    require(0 <= value < math.inf, f"--{name} {value}: must be finite and not negative")


def check_counts(optim: OptimConfig, run: RunConfig) -> None:
    """UserError for rates, sizes and intervals that make no training."""
    require(all(0 < value < math.inf for value in optim.lr), "--lr: every value must be positive and finite")
    for name, value in (
        ("weight_decay", optim.weight_decay),
        ("warmup_epochs", optim.warmup_epochs),
        ("spike_factor", optim.spike_factor),
        ("clip_norm", optim.clip_norm),
        ("clip_value", optim.clip_value),
        ("eps", optim.eps),
        ("checkpoint_minutes", run.checkpoint_minutes),
        ("hang_minutes", run.hang_minutes or 0.0),
    ):
        check_not_negative(name, value)
    require(0 <= run.seed < 2**63, f"--seed {run.seed}: must be in [0, 2^63)")
    for group, names in (
        (optim, ("batch_size", "accumulate", "num_epochs", "max_bad_steps")),
        (run, ("keep_checkpoints", "log_every", "images_every", "max_steps", "max_val_steps", "profile", "first_rung")),
    ):
        for name in names:
            value = getattr(group, name)
            require(value is None or value >= 1, f"--{name} {value}: must be at least 1")
    require(run.reduction_factor >= 2, f"--reduction_factor {run.reduction_factor}: must be at least 2")
    require(
        run.stop_early is None or run.first_rung < optim.num_epochs,
        f"--stop_early {run.stop_early}: no run is compared before its end; --first_rung {run.first_rung} must be below "
        f"--num_epochs {optim.num_epochs}",
    )
    require(
        optim.batch_size % optim.accumulate == 0,
        f"--accumulate {optim.accumulate} must divide --batch_size {optim.batch_size}",
    )


def to_json(config: TrainingConfig) -> str:
    """The run folder's config.json."""
    return json.dumps(dataclasses.asdict(config), indent=2, default=str) + "\n"
