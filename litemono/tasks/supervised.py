"""Supervised depth: a network trained on ground truth in metres.

Ground truth are KITTI's depth annotations, or the exact depth of the rendered street in the same layout.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.profiler import record_function

import networks
from litemono.data.augment_depth import DepthViews, plain_views, training_views
from litemono.data.depth_data import open_depth_data
from litemono.data.depth_samples import DepthBatch, Target
from litemono.engine.distributed import Processes
from litemono.engine.precision import HALF, to_channels_last
from litemono.engine.settings import Precision
from litemono.engine.task import Advice, Best, Forward, Mean, ParameterGroup, TaskData, Validated
from litemono.geometry import disp_to_depth
from litemono.losses.registry import LOSSES, loss_function
from litemono.metrics import Errors, compute_errors
from litemono.tasks.frames import advice, depth_data, parameter_groups
from litemono.tasks.supervised_settings import FinetuneConfig
from litemono.utils.colormap import magma
from networks import weights
from networks.depth_net import DepthNet

PICTURES = 4  # samples of a batch that are shown


class Shown(NamedTuple):
    """What pictures are made of."""

    image: Tensor  # (B, 3, H, W) in [0, 1]
    depth: Tensor  # (B, H, W) metres, predicted
    truth: Tensor  # (B, H, W) metres, 0 = unknown


class SupervisedDepth:
    """The task of litemono.finetune."""

    best = {"loss": Best("best_loss"), "abs_rel": Best("best_abs_rel")}

    def __init__(self, config: FinetuneConfig) -> None:
        self.config = config
        self.loss = loss_function(config.loss.loss)
        self.target: Target = "metres" if LOSSES[config.loss.loss].prediction == "metric" else "inverse"
        self.description = f"{config.model.model} {config.model.width}x{config.model.height}, {config.loss.loss}"

    def data(self, processes: Processes) -> TaskData:
        d, m, seed = self.config.data, self.config.model, self.config.run.seed
        train = open_depth_data(d, "train", self.target, (m.height, m.width), seed)
        val = open_depth_data(d, "val", self.target, (m.height, m.width), seed)
        data, epoch = depth_data(train, val, d, self.config, processes)
        self.description += f"; {epoch}" if len(d.names) > 1 else ""
        return data

    def build(self, device: torch.device, precision: Precision) -> DepthNet:
        m = self.config.model
        net = networks.create(m.model, height=m.height, width=m.width, drop_path=m.drop_path)
        for head in net.decoder.heads[1:]:  # only full size is compared with the truth
            head.requires_grad_(False)
        net = net.train().to(device)
        if device.type == "cpu" and precision not in HALF:
            to_channels_last(net)
        return net

    def initialise(self, net: DepthNet) -> None:
        """--mypretrain or --load_weights."""
        m = self.config.model
        if m.load_weights is not None:
            absent = weights.load_available(m.load_weights, net, None)
            if absent:
                print(
                    f"--load_weights {m.load_weights}: has no {absent[0]}; it starts from random weights",
                    file=sys.stderr,
                )
        elif m.mypretrain is not None:
            ignored = weights.load_imagenet_encoder(net, m.mypretrain)
            print(f"{m.mypretrain}: encoder loaded; not used: {', '.join(ignored) or 'nothing'}", file=sys.stderr)

    def parameter_groups(self, net: DepthNet) -> list[ParameterGroup]:
        """Encoder and decoder, each with its own learning rate."""
        return parameter_groups({"encoder": net.encoder, "decoder": net.decoder}, self.config)

    def forward(self, net: DepthNet, batch: DepthBatch) -> Forward:
        m, device = self.config.model, next(net.parameters()).device
        with record_function("augmentation"), torch.autocast(device.type, enabled=False):
            views = training_views(batch, device, self.config.data.augment, (m.height, m.width))
        return self.compare(net, views)

    def compare(self, net: DepthNet, views: DepthViews) -> Forward:
        """The loss of a batch, and of each data set's part of it where there are several."""
        with record_function("depth network"):
            disparity = net(views.image)[0][:, 0]
        with record_function("objective"), torch.autocast(views.image.device.type, enabled=False):
            depth = self.metres(disparity)
            valid = self.valid(views.target)
            loss = self.loss(depth, views.target, valid)
            parts = {self.config.loss.loss: loss.detach()}
            with torch.no_grad():
                for place, name in self.mixed:
                    mine = (views.source == place)[:, None, None]
                    parts[name] = self.loss(depth, views.target, valid & mine)
        return Forward(loss, parts, Shown(views.image, depth.detach(), views.target))

    @property
    def mixed(self) -> list[tuple[int, str]]:
        """Place and name of each data set, where there are several."""
        names = self.config.data.names
        return list(enumerate(names)) if len(names) > 1 else []

    def validate(self, net: DepthNet, batch: DepthBatch) -> Validated:
        """Loss of the batch, and the errors of each image that has ground truth, in all and for each data set of several.

        No scaling of the prediction.
        """
        result = self.compare(net, plain_views(batch, next(net.parameters()).device))
        depth, truth = result.shown.depth, result.shown.truth
        errors = [
            Errors(*(float(value) for value in compute_errors(true[valid].double(), predicted[valid].double())))
            if (valid := self.valid(true)).any()
            else None
            for true, predicted in zip(truth, depth, strict=True)
        ]
        size = len(truth)
        means = {"loss": Mean(result.loss.item() * size, size), **error_means(errors)}
        for place, name in self.mixed:
            mine = [error for error, source in zip(errors, batch.source.tolist(), strict=True) if source == place]
            means |= error_means(mine, f"{name}/")
        return Validated(means, result.shown)

    def metres(self, disparity: Tensor) -> Tensor:
        """Disparity in (0, 1) to depth."""
        return disp_to_depth(disparity.float(), self.config.loss.min_depth, self.config.loss.max_depth)[1]

    def valid(self, truth: Tensor) -> Tensor:
        """Pixels whose truth lies in the range that the network can predict."""
        return (truth >= self.config.loss.min_depth) & (truth <= self.config.loss.max_depth)

    def pictures(self, shown: Shown) -> Iterator[tuple[str, np.ndarray]]:
        """Image, prediction and truth of the first samples; near is bright."""
        for j in range(min(PICTURES, len(shown.image))):
            yield f"image/{j}", shown.image[j].cpu().numpy()
            yield f"prediction/{j}", magma(1 / shown.depth[j].float().cpu().numpy()).transpose(2, 0, 1)
            truth = shown.truth[j].cpu().numpy()
            inverse = np.divide(1, truth, out=np.zeros_like(truth), where=truth > 0)
            yield f"truth/{j}", magma(inverse).transpose(2, 0, 1)

    def save(self, net: DepthNet, folder: Path) -> None:
        weights.save_folder(folder, net, None)

    def advice(self, device: torch.device, precision: Precision) -> Advice:
        config = self.config
        return advice(config.data, config.optim, device, precision)


def error_means(errors: Sequence[Errors | None], prefix: str = "") -> dict[str, Mean]:
    """Of the images that have ground truth; None: one that has not."""
    there = [error for error in errors if error is not None]
    return {prefix + name: Mean(sum(getattr(e, name) for e in there), len(there)) for name in Errors._fields}
