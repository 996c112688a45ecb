"""One optimiser step: gradients added up over the parts of a batch, bad steps skipped without a trace."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from litemono.config import LossConfig
from litemono.data.augment import Views, prepare
from litemono.data.triplets import Batch
from litemono.model import Output

GRAD_NORM_MEMORY = 100  # steps over which the running mean of the gradient norm reaches back


@dataclass
class StepResult:
    output: Output
    views: Views
    """Of the last part of the batch."""
    loss: float
    grad_norm: float
    skipped: bool


@dataclass
class Guard:
    """Decides which steps are bad, from numbers that are saved with the checkpoint."""

    grad_norm_mean: float = 0.0
    good_steps: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0

    def is_bad(self, loss: float, grad_norm: float, spike_factor: float) -> bool:
        """Count the step, and say whether it must not be taken: not finite, or a gradient far above the running mean."""
        bad = not (math.isfinite(loss) and math.isfinite(grad_norm))
        if spike_factor and self.good_steps >= GRAD_NORM_MEMORY:
            bad = bad or grad_norm > spike_factor * self.grad_norm_mean
        if bad:
            self.skipped += 1
            self.skipped_in_a_row += 1
        else:
            self.good_steps += 1
            self.skipped_in_a_row = 0
            self.grad_norm_mean += (grad_norm - self.grad_norm_mean) / min(self.good_steps, GRAD_NORM_MEMORY)
        return bad


def seed_step(seed: int, step: int, rank: int) -> None:
    """Drop path and tie-break noise are functions of (seed, step, rank): resuming needs no saved random state."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1))


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """Equal consecutive parts of a batch."""
    chunks = [tensor.chunk(parts) for tensor in batch]
    return [Batch(*(chunk[i] for chunk in chunks)) for i in range(parts)]


def train_step(
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    batch: Batch,
    loss_config: LossConfig,
    guard: Guard,
    *,
    device: torch.device,
    accumulate: int,
    spike_factor: float,
) -> StepResult:
    """Forward, backward, and the two AdamW updates unless the guard forbids them.

    A skipped step leaves no trace: BatchNorm statistics are put back too. `model` is the DepthPoseModel, or it wrapped
    in DistributedDataParallel, whose gradients are exchanged with the last part only.
    """
    buffers = list(model.buffers())
    before = [buffer.clone() for buffer in buffers]
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=device)
    parts = split_batch(batch, accumulate)
    for i, part in enumerate(parts):
        views = prepare(part, device, loss_config.scales, all_frames=loss_config.v1_multiscale)
        waits = isinstance(model, DistributedDataParallel) and i + 1 < len(parts)
        with model.no_sync() if waits else contextlib.nullcontext():
            output = model(views)
            (output.loss / len(parts)).backward()
        total += output.loss.detach() / len(parts)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    loss, grad_norm = torch.stack([total, torch.nn.utils.get_total_norm(gradients)]).tolist()
    skipped = guard.is_bad(loss, grad_norm, spike_factor)
    if skipped:
        for buffer, old in zip(buffers, before, strict=True):
            buffer.copy_(old)
    else:
        for optimizer in optimizers:
            optimizer.step()
    return StepResult(output, views, loss, grad_norm, skipped)
