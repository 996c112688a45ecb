"""Validation: the whole split, every network in eval mode, photometric loss and, where drives have scans, depth errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from litemono.config import LossConfig
from litemono.data.augment import Views, prepare
from litemono.data.batch import Batch
from litemono.engine.distributed import World
from litemono.metrics import METRIC_NAMES, train_depth_errors
from litemono.tasks.monodepth_model import DepthPoseModel, Output


@torch.no_grad()
def validate(
    model: DepthPoseModel,
    loader: Iterable[Batch],
    loss_config: LossConfig,
    world: World,
    should_stop: Callable[[], bool],
) -> tuple[dict[str, float], Views, Output] | None:
    """Mean loss over the split, and mean depth errors over its images that have a scan.

    Depth errors use the published train-time protocol, with the median of each image. Tie-break noise is off, so the
    numbers are exactly repeatable. Returns None when `should_stop` asked to leave on any process; else the results (`loss`,
    `de/abs_rel`, ...) and the views and output of the first batch for pictures.
    """
    was_training = model.training
    model.eval()
    world.share(model.buffers())  # BatchNorm's running statistics, which a checkpoint has of rank 0 only
    first: tuple[Views, Output] | None = None
    sums = torch.zeros(2 + 1 + len(METRIC_NAMES), dtype=torch.float64)
    try:
        for batch in loader:
            if world.any(should_stop()):
                return None
            views = prepare(batch, world.device, loss_config.scales, all_frames=loss_config.v1_multiscale)
            output = model(views, noise_std=0.0)
            first = first or (views, output)
            size = batch.frames.shape[0]
            sums[:2] += torch.tensor([output.loss.item() * size, size], dtype=torch.float64)
            for depth, truth in zip(output.depth, batch.depth.to(world.device), strict=True):
                if truth.numel() and (errors := train_depth_errors(truth[None], depth[None])) is not None:
                    sums[2:] += torch.cat([torch.ones(1, dtype=torch.float64), errors.cpu()])
    finally:
        model.train(was_training)
    sums = world.sum(sums.to(world.device)).cpu()
    results = {"loss": float(sums[0] / sums[1])}
    if sums[2] > 0:
        results |= {name: float(value / sums[2]) for name, value in zip(METRIC_NAMES, sums[3:], strict=True)}
    assert first is not None, "validation split is empty"
    return results, *first
