"""The seam between the engine and what it trains.

The engine owns the loop, the step, resume, processes, precision and logging. A task owns data, networks, losses, metrics
and pictures. The engine calls a task through `Task` and uses nothing else of it. Tasks live in `litemono/tasks/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from litemono.engine.distributed import Processes
from litemono.engine.precision import Precision

Batch = Any
"""A NamedTuple of tensors whose first dimension is the sample."""


class Forward(NamedTuple):
    """What one forward pass leaves."""

    loss: Tensor
    """Scalar; the only entry that carries a graph."""
    parts: dict[str, Tensor]
    """Named scalars that make up the loss, detached; the same names in every step."""
    shown: Any
    """What `Task.pictures` draws, detached."""


class Mean(NamedTuple):
    """A part of a mean over the validation split."""

    total: float
    """Sum over the samples that have a value."""
    samples: float


class Validated(NamedTuple):
    """What one validation batch contributes."""

    means: dict[str, Mean]
    """The same names for every batch; no samples where a batch has no value."""
    shown: Any


class Best(NamedTuple):
    """A validation result that chooses weights."""

    folder: str
    """Folder below models/ that keeps the best weights."""
    higher: bool = False
    """Whether larger values are better."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that one AdamW updates."""

    name: str
    """Tag of the learning rate's curve: lr/NAME."""
    parameters: list[nn.Parameter]
    schedule: Callable[[float], float]
    """Learning rate after so many epochs, fractions included."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of torch.optim.AdamW besides the learning rate."""


class Order(Protocol):
    """Order of the training samples: a function of (seed, epoch)."""

    def seek(self, epoch: int, sample: int) -> None:
        """Let the next iteration begin at place `sample` of `epoch`, counted over all processes."""


class Advice(NamedTuple):
    """What is worth trying where a step is slow, as --profile prints it: flags and commands, by what limits the step."""

    data: tuple[str, ...] = ()
    computing: tuple[str, ...] = ()
    launching: tuple[str, ...] = ()
    """The GPU waits for kernels from the host."""


@dataclass(frozen=True)
class TaskData:
    """Loaders and what a resume must find unchanged."""

    train: Iterable[Batch]
    order: Order
    train_samples: int
    val: Iterable[Batch]
    val_samples: int
    fingerprints: dict[str, str]
    """Of the lists of samples ("data", "validation_data"): a run resumes on those it began with."""


Networks = TypeVar("Networks", bound=nn.Module)


class Task(Protocol[Networks]):
    """What is trained. Attributes and methods are called in the order in which they stand here."""

    description: str
    """For the first log line, such as "lite-mono 640x192"."""

    @property
    def best(self) -> Mapping[str, Best]:
        """Validation results that choose weights, by name."""

    def data(self, processes: Processes) -> TaskData:
        """Open and check the data. Raises UserError where files are missing or the split is too small."""

    def build(self, device: torch.device, precision: Precision) -> Networks:
        """Networks with random weights on the device, in train mode and in the memory layout they train fastest in."""

    def initialise(self, networks: Networks) -> None:
        """First weights of a new run: ImageNet or a weights folder. Raises UserError or NetworkError."""

    def parameter_groups(self, networks: Networks) -> list[ParameterGroup]:
        """Every parameter to be trained, once."""

    def forward(self, networks: Networks, batch: Batch) -> Forward:
        """Augmentation on the device, networks and loss. Runs under autocast: losses leave it."""

    def validate(self, networks: Networks, batch: Batch) -> Validated:
        """Metrics of one batch, with networks in eval mode and without augmentation or noise."""

    def pictures(self, shown: Any) -> Iterator[tuple[str, np.ndarray]]:
        """TensorBoard tag and (3 or 1, H, W) pixels: floats in [0, 1] or uint8."""

    def save(self, networks: Networks, folder: Path) -> None:
        """Write the weights as the task's field reads them."""

    def advice(self, device: torch.device, precision: Precision) -> Advice:
        """For --profile, with the settings in use."""


@runtime_checkable
class Accelerates(Protocol):
    """A task that may compile parts of its networks."""

    def accelerate(self, networks: Any, device: torch.device, precision: Precision) -> None:
        """Replace their code, not their weights, which are there already. UserError where the machine cannot."""
