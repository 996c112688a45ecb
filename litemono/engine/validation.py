"""Validation: the whole split, every network in eval mode, means over all processes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import nn

from litemono.engine.distributed import Processes
from litemono.engine.task import Mean, Task, TaskData

Parts = dict[str, list[tuple[float, float]]]
"""Total and samples of each batch, by metric."""


class Validation(NamedTuple):
    """What one pass over the validation split gives."""

    results: dict[str, float]
    """Means over all samples, by metric; without those that no sample has."""
    shown: Any
    """Of the first batch, for pictures."""
    batches: Parts
    """Of all processes, rank by rank: what the intervals of litemono.compare are drawn from."""


@torch.no_grad()
def validate(
    task: Task,
    networks: nn.Module,
    data: TaskData,
    processes: Processes,
    should_stop: Callable[[], bool],
    max_steps: int | None = None,
) -> Validation | None:
    """Means of the task's metrics over the validation split.

    Returns None where `should_stop` is true on any process. max_steps: batches to look at; None: all.
    """
    was_training = networks.training
    networks.eval()
    processes.share(networks.buffers())  # BatchNorm's running statistics, which a checkpoint has of rank 0 only
    means: dict[str, Mean] = {}
    batches: Parts = {}
    shown = None
    try:
        for batch in islice(data.val, max_steps):
            if processes.any(should_stop()):
                return None
            result = task.validate(networks, batch)
            shown = result.shown if not means else shown
            for name, (total, count) in result.means.items():
                before = means.get(name, Mean(0.0, 0.0))
                means[name] = Mean(before.total + total, before.samples + count)
                batches.setdefault(name, []).append((float(total), float(count)))
    finally:
        networks.train(was_training)
    sums = processes.sum(torch.tensor(list(means.values()), dtype=torch.float64, device=processes.device))
    results = {name: total / count for name, (total, count) in zip(means, sums.tolist(), strict=True) if count}
    gathered = processes.gather(batches)
    return Validation(
        results, shown, {name: [part for own in gathered for part in own.get(name, [])] for name in results}
    )
