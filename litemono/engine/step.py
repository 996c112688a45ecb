"""One optimiser step: gradients added up over the parts of a batch, bad steps skipped without a trace.

Nothing here waits for the device: whether a step is taken is decided there, and its numbers are read later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import record_function

from litemono.engine.grad_guard import GradGuard
from litemono.engine.precision import autocast
from litemono.engine.settings import Precision
from litemono.engine.task import Batch, Forward, Task


class Numbers(NamedTuple):
    """Of one step; on the device a vector in this order."""

    loss: float
    grad_norm: float
    skipped_now: float
    """1 if the step was not taken."""
    skipped: float
    """Bad steps of the run so far."""
    skipped_in_a_row: float
    loss_scale: float
    parts: tuple[float, ...]
    """Of the loss, in the order of the task's names."""

    @classmethod
    def read(cls, vector: list[float]) -> Numbers:
        *singles, _ = cls._fields
        values = dict(zip(singles, vector, strict=False))
        return cls(**values, parts=tuple(vector[len(singles) :]))


@dataclass
class StepResult:
    shown: Any
    """Of the last part of the batch, for Task.pictures."""
    part_names: tuple[str, ...]
    numbers: Tensor
    """(N,) float64 on the device, see Numbers."""


class TaskModule(nn.Module):
    """A task's networks and its forward pass as one module, which DistributedDataParallel can wrap."""

    def __init__(self, task: Task, networks: nn.Module) -> None:
        super().__init__()
        self.task = task
        self.networks = networks

    def forward(self, batch: Batch) -> Forward:
        return self.task.forward(self.networks, batch)


def seed_step(seed: int, step: int, rank: int) -> None:
    """Drop path and tie-break noise are functions of (seed, step, rank): resuming needs no saved random state."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1))


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """Equal consecutive parts of a batch, which is a NamedTuple of tensors with the sample first."""
    chunks = [tensor.chunk(parts) for tensor in batch]
    return [type(batch)(*(chunk[i] for chunk in chunks)) for i in range(parts)]


class Statistics:
    """BatchNorm's running statistics as they were, to go back to without asking the host. Few kernels, whatever their number."""

    def __init__(self, buffers: Iterable[Tensor]) -> None:
        by_dtype: dict[torch.dtype, list[Tensor]] = {}
        for buffer in buffers:
            by_dtype.setdefault(buffer.dtype, []).append(buffer)
        self._groups = [(group, _flat(group)) for group in by_dtype.values()]

    def restore(self, forbidden: Tensor) -> None:
        """Undo all changes since, if forbidden (0-dim bool)."""
        for group, before in self._groups:
            kept = torch.where(forbidden, before, _flat(group)).split([buffer.numel() for buffer in group])
            torch._foreach_copy_(group, [value.view_as(buffer) for value, buffer in zip(kept, group, strict=True)])


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def train_step(
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    batch: Batch,
    guard: GradGuard,
    *,
    device: torch.device,
    precision: Precision,
    accumulate: int,
    spike_factor: float,
    clip_norm: float = 0.0,
    clip_value: float = 0.0,
) -> StepResult:
    """Forward, backward, and the optimisers' updates unless the gradient guard skips the step.

    A skipped step leaves no trace: BatchNorm statistics are restored too. `model` is a TaskModule, or one wrapped in
    DistributedDataParallel, whose gradients are exchanged with the last part only. `optimizers` are fused where the device
    has that: others wait for the host.
    """
    statistics = Statistics(model.buffers())
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    scale = guard.loss_scale
    losses = []
    parts = split_batch(batch, accumulate)
    for i, part in enumerate(parts):
        without_exchange = isinstance(model, DistributedDataParallel) and i + 1 < len(parts)
        with model.no_sync() if without_exchange else contextlib.nullcontext():  # type: ignore[operator]
            with autocast(precision, device):
                output: Forward = model(part)
            with record_function("backward"):
                # 0 * loss: a loss that is not finite makes the gradient so on every process, and the guard sees it there.
                (output.loss * (scale / len(parts) + 0 * output.loss.detach())).backward()
        losses.append(torch.stack([output.loss.detach(), *output.parts.values()]))
    with record_function("optimisers"):
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        grad_norm = torch.nn.utils.get_total_norm(gradients) / scale
        skip = guard.skips(grad_norm, spike_factor)
        left = scale if guard.scaling else None
        if clip_norm or clip_value:
            clip(gradients, grad_norm, scale, clip_norm, clip_value)
            left = None
        for optimizer in optimizers:
            update(optimizer, left, skip)
        statistics.restore(skip)
    total, *by_part = torch.stack(losses).mean(0).double()
    state = guard.state
    numbers = (total, grad_norm, skip, state.skipped, state.skipped_in_a_row, scale, *by_part)
    return StepResult(output.shown, tuple(output.parts), torch.stack([number.double() for number in numbers]))


def clip(gradients: list[Tensor], norm: Tensor, scale: Tensor, clip_norm: float, clip_value: float) -> None:
    """Divide gradients by `scale`, then limit their norm (`norm`, of all, without scale) and each entry, in place."""
    factor = 1 / scale
    if clip_norm:
        factor = factor * (clip_norm / (norm + 1e-6)).clamp(max=1)
    torch._foreach_mul_(gradients, factor)
    if clip_value:
        torch._foreach_clamp_min_(gradients, -clip_value)
        torch._foreach_clamp_max_(gradients, clip_value)


def update(optimizer: torch.optim.Optimizer, scale: Tensor | None, skip: Tensor) -> None:
    """An optimiser's step, with gradients that are `scale` times too large; no step at all if skip.

    Fused: through the two attributes that torch.amp.GradScaler sets for the same purpose. Otherwise the host waits for `skip`.
    """
    if not optimizer.param_groups[0].get("fused"):
        if scale is not None:
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            torch._foreach_mul_(gradients, 1 / scale)
        if not skip.item():
            optimizer.step()
        return
    given: Any = optimizer  # torch's classes do not declare the two
    given.grad_scale, given.found_inf = scale, skip.float()
    optimizer.step()
    del given.grad_scale, given.found_inf
