"""Mask and depth of a figure in front of a known background: the task of litemono.segment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import record_function

from litemono.data.augment_composites import CompositeViews, plain_views, training_views
from litemono.data.composite_samples import CompositeBatch, open_samples
from litemono.data.stores.composites import is_packed
from litemono.engine.distributed import Processes
from litemono.engine.precision import HALF, choose_precision, to_channels_last
from litemono.engine.settings import Precision
from litemono.engine.task import Advice, Best, Forward, Mean, ParameterGroup, TaskData, Validated
from litemono.losses.mask_depth import Uncertainty, criterion, sum_of_roots, weighted_sum
from litemono.tasks.common import frame_data, parameter_groups
from litemono.tasks.depth_mask.metrics import METRICS, scores
from litemono.tasks.depth_mask.settings import SegmentConfig
from litemono.utils.parallel import available_cores
from networks import mask_depth_weights
from networks.imagenet import load_unet_imagenet
from networks.mask_depth import MaskDepthNet, create_mask_network
from networks.unet import UNetResNet18

PICTURES = 4  # samples of a batch that are shown


class Shown(NamedTuple):
    """What pictures are made of, all in [0, 1]."""

    picture: Tensor  # (B, 3, H, W)
    prediction: Tensor  # (B, 2, H, W) mask, depth
    truth: Tensor  # (B, 2, H, W)


class Trained(nn.Module):
    """The network, and the weights of its losses where they are learned."""

    def __init__(self, net: MaskDepthNet, learned: bool):
        super().__init__()
        self.net = net
        self.uncertainty = Uncertainty() if learned else None


class DepthMask:
    """Background and picture in, mask and depth out."""

    best = {
        "loss": Best("best_loss"),
        "mask_accuracy": Best("best_mask_accuracy", higher=True),
        "depth_accuracy": Best("best_depth_accuracy", higher=True),
        "mask_iou": Best("best_mask_iou", higher=True),
    }

    def __init__(self, config: SegmentConfig) -> None:
        self.config = config
        m, loss = config.model, config.loss
        self.description = f"{m.model} {m.width}x{m.height}, {loss.mask_loss} and {loss.depth_loss}, {loss.combine}"
        self.criteria = [criterion(name, loss.ssim_window) for name in (loss.mask_loss, loss.depth_loss)]

    def data(self, processes: Processes) -> TaskData:
        d, m, seed = self.config.data, self.config.model, self.config.run.seed
        train, val = (open_samples(d, which, (m.height, m.width), seed) for which in ("train", "val"))
        return frame_data(train, val, d, self.config, processes)

    def build(self, device: torch.device, precision: Precision) -> Trained:
        m = self.config.model
        net = create_mask_network(m.model, height=m.height, width=m.width)
        model = Trained(net, self.config.loss.combine == "uncertainty").train().to(device)
        if device.type == "cpu" and precision not in HALF:
            to_channels_last(model)
        return model

    def initialise(self, model: Trained) -> None:
        """--load_weights, or --weights_init."""
        m, body = self.config.model, model.net.published
        if m.load_weights is not None:
            mask_depth_weights.load_into(m.load_weights, model.net)
        elif isinstance(body, UNetResNet18) and m.weights_init != "scratch":
            load_unet_imagenet(body, None if m.weights_init == "pretrained" else Path(m.weights_init))

    def parameter_groups(self, model: Trained) -> list[ParameterGroup]:
        """The network; learned weights of losses have its rate, and no decay."""
        groups = parameter_groups({"network": model.net}, self.config)
        if model.uncertainty is not None:
            learned = list(model.uncertainty.parameters())
            groups.append(ParameterGroup("loss_weights", learned, groups[0].schedule, {"weight_decay": 0.0}))
        return groups

    def forward(self, model: Trained, batch: CompositeBatch) -> Forward:
        device = next(model.net.parameters()).device
        with record_function("augmentation"), torch.autocast(device.type, enabled=False):
            views = training_views(batch, device, self.config.data.augment)
        return self.compare(model, views)

    def compare(self, model: Trained, views: CompositeViews) -> Forward:
        """The loss of a batch."""
        with record_function("network"):
            logits = model.net(views.background, views.picture)
        with record_function("objective"), torch.autocast(logits.device.type, enabled=False):
            heads = logits.float().split(1, dim=1)
            targets = (views.mask, views.depth)
            mask, depth = (f(head, target) for f, head, target in zip(self.criteria, heads, targets, strict=True))
            loss = self.combined(model, mask, depth)
            shown = Shown(views.picture, logits.detach().float().sigmoid(), torch.cat(targets, dim=1))
        return Forward(loss, {"mask": mask.detach(), "depth": depth.detach()}, shown)

    def combined(self, model: Trained, mask: Tensor, depth: Tensor) -> Tensor:
        """--combine."""
        loss = self.config.loss
        if model.uncertainty is not None:
            return model.uncertainty(mask, depth)
        if loss.combine == "roots":
            return sum_of_roots(mask, depth)
        return weighted_sum(mask, depth, (loss.mask_weight, loss.depth_weight))

    def validate(self, model: Trained, batch: CompositeBatch) -> Validated:
        """Loss of the batch, and the scores of each picture."""
        views = plain_views(batch, next(model.net.parameters()).device)
        result = self.compare(model, views)
        found = [one.named(self.config.accuracy) for one in scores(result.shown.prediction, views.mask, views.depth)]
        sums = {name: Mean(sum(one[name] for one in found), len(found)) for name in METRICS}
        return Validated({"loss": Mean(result.loss.item() * len(found), len(found)), **sums}, result.shown)

    def pictures(self, shown: Shown) -> Iterator[tuple[str, np.ndarray]]:
        """Of the first samples side by side: picture, prediction, truth, error."""
        for j in range(min(PICTURES, len(shown.picture))):
            for place, head in enumerate(("mask", "depth")):
                prediction, truth = (maps[j, place].cpu().numpy() for maps in (shown.prediction, shown.truth))
                yield f"{head}/{j}", side_by_side(shown.picture[j].cpu().numpy(), prediction, truth)

    def save(self, model: Trained, folder: Path) -> None:
        mask_depth_weights.save(folder, model.net)

    def advice(self, device: torch.device, precision: Precision) -> Advice:
        data, optim, cores = self.config.data, self.config.optim, available_cores()
        faster = [] if is_packed(data.data_path) else ["packed pictures (python -m litemono.prepare pack-composites)"]
        if data.threads < cores:
            faster.append(f"a larger --num_workers (now {data.threads}, cores: {cores})")
        best = choose_precision(None, device)
        half = [f"--precision {best}"] if best in HALF and precision not in HALF else []
        return Advice(
            data=tuple(faster or [f"more CPU cores for the job (now {cores})"]),
            computing=(*(["a GPU"] if device.type == "cpu" else []), *half, "a smaller --height and --width"),
            launching=(*(["a smaller --accumulate"] if optim.accumulate > 1 else []), "a larger --batch_size"),
        )


def side_by_side(picture: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(3, H, 4 W) in [0, 1]: picture | prediction | truth | error, where bright is large. The latter are (H, W)."""
    grey = [np.broadcast_to(values, picture.shape) for values in (prediction, truth)]
    error = matplotlib.colormaps["magma"](np.abs(prediction - truth))[..., :3].transpose(2, 0, 1)
    return np.concatenate([picture, *grey, error.astype(picture.dtype)], axis=2)
