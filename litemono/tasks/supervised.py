"""Supervised depth: a network trained on ground truth in metres.

Ground truth are KITTI's depth annotations, or the exact depth of the rendered street in the same layout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.profiler import record_function

import networks
from litemono.data.augment import prepare
from litemono.data.batch import Batch
from litemono.data.kitti.velodyne import resize_nearest
from litemono.data.missing_frames import check_frames
from litemono.data.splits import SplitLine
from litemono.data.stores.arrays import read_picture
from litemono.data.stores.base import SizedStore
from litemono.data.stores.folder import open_store
from litemono.data.stores.headers import BadFile, image_size
from litemono.data.triplets import TripletDataset
from litemono.engine.distributed import Processes
from litemono.engine.precision import HALF, to_channels_last
from litemono.engine.settings import Precision
from litemono.engine.task import Advice, Best, Forward, Mean, ParameterGroup, TaskData, Validated
from litemono.geometry import disp_to_depth
from litemono.losses.registry import loss_function
from litemono.metrics import Errors, compute_errors
from litemono.tasks.frames import advice, frame_data, parameter_groups
from litemono.tasks.supervised_settings import FinetuneConfig
from litemono.utils.colormap import magma
from litemono.utils.errors import UserError
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
        self.description = f"{config.model.model} {config.model.width}x{config.model.height}, {config.loss.loss}"

    def data(self, processes: Processes) -> TaskData:
        d, m = self.config.data, self.config.model
        store = open_store(d.dataset, d.data_path, d.png, m.height, m.width)
        train, val = (self.dataset(which, store) for which in ("train", "val"))
        return frame_data(train, val, d, self.config, processes)

    def dataset(self, which: str, store: SizedStore) -> TripletDataset:
        """Single frames with their depth, brought to the network's size by nearest neighbour."""
        data = self.config.data
        lines, source = store.dataset.lines(store.root, data.split, which, (0,))
        lines = check_frames(store, lines, (0,), False, data.skip_missing, source)
        return TripletDataset(
            store=store,
            lines=with_depth(store, lines, source),
            frame_ids=(0,),
            use_stereo=False,
            intrinsics="published",
            color_jitter="off" if data.color_jitter == "off" else "per_image",
            seed=self.config.run.seed,
            training=which == "train",
            read_depth=partial(depth_at_size, store),
        )

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

    def forward(self, net: DepthNet, batch: Batch) -> Forward:
        device = next(net.parameters()).device
        with record_function("augmentation"), torch.autocast(device.type, enabled=False):
            views = prepare(batch, device, (0,), all_frames=False)
            truth = batch.depth.to(device, non_blocking=True)
        with record_function("depth network"):
            disparity = net(views.color_aug[:, 0])[0][:, 0]
        with record_function("objective"), torch.autocast(device.type, enabled=False):
            depth = self.metres(disparity)
            loss = self.loss(depth, truth, self.valid(truth))
        return Forward(loss, {self.config.loss.loss: loss.detach()}, Shown(views.color[:, 0], depth.detach(), truth))

    def validate(self, net: DepthNet, batch: Batch) -> Validated:
        """Loss of the batch, and the errors of each image that has ground truth; no scaling of the prediction."""
        result = self.forward(net, batch)
        depth, truth = result.shown.depth, result.shown.truth
        errors = [
            Errors(*(float(value) for value in compute_errors(true[valid].double(), predicted[valid].double())))
            for true, predicted in zip(truth, depth, strict=True)
            if (valid := self.valid(true)).any()
        ]
        size = len(truth)
        means = {"loss": Mean(result.loss.item() * size, size)}
        means |= {name: Mean(sum(getattr(e, name) for e in errors), len(errors)) for name in Errors._fields}
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


def with_depth(store: SizedStore, lines: list[SplitLine], source: object) -> list[SplitLine]:
    """The lines that have a depth picture; raises UserError if there is none, or one that cannot be a picture."""
    picture = store.dataset.pictures["depth"]
    places = {line: picture.path(store.root, *line) for line in lines}
    found = [line for line, path in places.items() if os.path.lexists(path)]
    broken = [text for line in found if (text := _depth_problem(places[line]))]
    if broken:
        raise UserError(
            f"{source}: {len(broken)} of {len(lines)} depth pictures cannot be read (first: {broken[0]}); extract "
            f"{picture.archive} again"
        )
    if not found:
        raise UserError(
            f"{source}: none of its {len(lines)} frames has a depth picture, such as {picture.path(store.root, *lines[0])}; "
            f"extract {picture.archive} into --data_path"
        )
    if len(found) < len(lines):
        print(
            f"{source}: {len(lines) - len(found)} of {len(lines)} frames have no depth and are left out",
            file=sys.stderr,
        )
    return found


def _depth_problem(path: Path) -> str | None:
    """What is wrong with a depth picture by its first bytes."""
    try:
        image_size(path, turned_by_exif=False)
    except BadFile as error:
        return f"{path}: {error}"
    return None


def depth_at_size(store: SizedStore, line: SplitLine) -> np.ndarray:
    """(height, width) float32 metres at the network's size, 0 where nothing was measured."""
    values = read_picture(store.dataset, store.root, "depth", *line)
    units = store.dataset.pictures["depth"].units_per_metre or 1
    return resize_nearest(values.astype(np.float32) / units, store.height, store.width)
