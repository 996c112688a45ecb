"""Self-supervised depth and camera motion from video: the photometric reprojection of Lite-Mono (CVPR 2023).

The objective is in model.py beside it (the networks, the warp, the loss) and losses/photometric.py (the paper's terms).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.profiler import record_function

import networks
from litemono.data.augment import Views, prepare
from litemono.data.batch import Batch
from litemono.data.missing_frames import check_frames
from litemono.data.stores.base import SizedStore
from litemono.data.stores.folder import open_store, stage
from litemono.data.triplets import TripletDataset
from litemono.engine.distributed import Processes
from litemono.engine.precision import HALF, to_channels_last
from litemono.engine.settings import Precision
from litemono.engine.task import Advice, Best, Forward, Mean, ParameterGroup, TaskData, Validated
from litemono.losses.compiled import fused_kernels
from litemono.metrics import METRIC_NAMES
from litemono.tasks.common import advice, frame_data, parameter_groups
from litemono.tasks.monodepth.compiled_networks import compile_networks
from litemono.tasks.monodepth.metrics import train_depth_errors
from litemono.tasks.monodepth.model import DepthPoseModel, Output
from litemono.tasks.monodepth.settings import TrainConfig
from litemono.utils.colormap import magma
from litemono.utils.compiling import kept_in
from networks import weights

PICTURES = 4  # samples of a batch that are shown


class Shown(NamedTuple):
    """What pictures are made of."""

    target: Tensor  # (B, 3, H, W) in [0, 1]
    output: Output


class Monodepth:
    """The task of litemono.train."""

    best = {"loss": Best("best_loss"), "de/abs_rel": Best("best_abs_rel")}

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        model = config.model
        self.description = f"{model.model} {model.width}x{model.height}"

    def data(self, processes: Processes) -> TaskData:
        d, m = self.config.data, self.config.model
        store = open_store(d.dataset, d.data_path, d.png, m.height, m.width)
        stage(store, d.stage)
        train, val = (open_dataset(self.config, which, store) for which in ("train", "val"))
        return frame_data(train, val, d, self.config, processes)

    def build(self, device: torch.device, precision: Precision) -> DepthPoseModel:
        """depth and pose; stereo-only training has no pose network. Heads of scales outside the loss are frozen."""
        m, loss = self.config.model, self.config.loss
        depth = networks.create(m.model, height=m.height, width=m.width, drop_path=m.drop_path)
        pose = networks.create_pose(m.num_layers) if len(loss.frame_ids) > 1 else None
        for scale, head in enumerate(depth.decoder.heads):
            head.requires_grad_(scale in loss.scales)
        model = DepthPoseModel(depth, pose, loss, batched_pose=m.batched_pose).train().to(device)
        lay_out(model, precision, device)
        return model

    def accelerate(self, model: DepthPoseModel, device: torch.device, precision: Precision) -> None:
        """--compile, with the code kept in the run folder."""
        if self.config.loss.compile:
            with kept_in(self.config.folder / "compiled"):
                self.compile(model, device, precision)

    def compile(self, model: DepthPoseModel, device: torch.device, precision: Precision) -> None:
        """Replace the --compile_parts of the step by compiled code."""
        parts, (batch, _, *image) = self.config.loss.compile_parts, self.candidates_shape
        if "loss" in parts:
            model.kernels = fused_kernels(self.candidates_shape, device)
        images = torch.rand(batch, *image, generator=torch.Generator().manual_seed(0)).to(device)
        compile_networks(model, parts, images, precision, device)

    @property
    def candidates_shape(self) -> tuple[int, int, int, int, int]:
        """(B, S, 3, H, W) of the warped views that one forward pass compares with its targets."""
        m, loss, optim = self.config.model, self.config.loss, self.config.optim
        sources = len(loss.frame_ids) - 1 + loss.use_stereo
        return optim.batch_size // optim.accumulate, sources, 3, m.height, m.width

    def initialise(self, model: DepthPoseModel) -> None:
        """--weights_init and --mypretrain, or what --load_weights has; --weights_init then is for an absent pose encoder."""
        m = self.config.model
        if m.load_weights is not None:
            absent = weights.load_available(m.load_weights, model.depth, model.pose)
            if absent:
                print(started_elsewhere(m.load_weights, absent, m.weights_init), file=sys.stderr)
            if weights.POSE_ENCODER not in absent:
                return
        if m.mypretrain is not None:
            ignored = weights.load_imagenet_encoder(model.depth, m.mypretrain)
            print(f"{m.mypretrain}: encoder loaded; not used: {', '.join(ignored) or 'nothing'}", file=sys.stderr)
        if model.pose is not None and m.weights_init != "scratch":
            source = None if m.weights_init == "pretrained" else Path(m.weights_init)
            weights.load_pose_imagenet(model.pose, source)

    def parameter_groups(self, model: DepthPoseModel) -> list[ParameterGroup]:
        """Depth and pose, every tensor decayed, as published."""
        return parameter_groups({"depth": model.depth, "pose": model.pose}, self.config)

    def forward(self, model: DepthPoseModel, batch: Batch) -> Forward:
        with record_function("augmentation"), torch.autocast(batch.frames.device.type, enabled=False):
            views = self.views(batch, model)
        output = model(views)
        parts = {str(scale): loss for scale, loss in zip(self.config.loss.scales, output.losses, strict=True)}
        return Forward(output.loss, parts, Shown(views.color[:, 0], output))

    def views(self, batch: Batch, model: DepthPoseModel) -> Views:
        loss = self.config.loss
        device = next(model.parameters()).device
        return prepare(batch, device, loss.scales, all_frames=loss.v1_multiscale)

    def validate(self, model: DepthPoseModel, batch: Batch) -> Validated:
        """Photometric loss, and depth errors of the images that have a scan.

        Depth errors use the published train-time protocol, with the median of each image. Tie-break noise is off, so the
        numbers are exactly repeatable.
        """
        views = self.views(batch, model)
        output = model(views, noise_std=0.0)
        size = batch.frames.shape[0]
        sums = torch.zeros(1 + len(METRIC_NAMES), dtype=torch.float64)
        for depth, truth in zip(output.depth, batch.depth.to(views.color.device), strict=True):
            if truth.numel() and (errors := train_depth_errors(truth[None], depth[None])) is not None:
                sums += torch.cat([torch.ones(1, dtype=torch.float64), errors.cpu()])
        count, *totals = sums.tolist()
        means = {"loss": Mean(output.loss.item() * size, size)}
        means |= {name: Mean(total, count) for name, total in zip(METRIC_NAMES, totals, strict=True)}
        return Validated(means, Shown(views.color[:, 0], output))

    def pictures(self, shown: Shown) -> Iterator[tuple[str, np.ndarray]]:
        """Target, warped source views, disparity and auto-mask of the first samples."""
        target, output = shown
        for j in range(min(PICTURES, target.shape[0])):
            yield f"color_0_0/{j}", target[j].cpu().numpy()
            for source in range(output.warped.shape[1]):
                yield f"color_pred_{source}_0/{j}", output.warped[j, source].clamp(0, 1).cpu().numpy()
            yield f"disp_0/{j}", magma(output.disps[0][j, 0].float().cpu().numpy()).transpose(2, 0, 1)
            if output.automask is not None:
                yield f"automask_0/{j}", output.automask[j].float().cpu().numpy()

    def save(self, model: DepthPoseModel, folder: Path) -> None:
        weights.save_folder(folder, model.depth, model.pose, use_stereo=self.config.loss.use_stereo)

    def advice(self, device: torch.device, precision: Precision) -> Advice:
        config = self.config
        flags = () if config.loss.compile else ("--compile",)
        return advice(config.data, config.optim, device, precision, flags)


def started_elsewhere(folder: Path, absent: Sequence[str], weights_init: str) -> str:
    """What the networks whose files are absent in --load_weights start from."""
    encoder = {"pretrained": "ImageNet", "scratch": "random weights"}.get(weights_init, weights_init)
    sources = {name: encoder if name == weights.POSE_ENCODER else "random weights" for name in absent}
    starts = ", ".join(f"{name.removesuffix('.pth')} from {source}" for name, source in sources.items())
    return f"--load_weights {folder}: has no {' '.join(absent)}; these start elsewhere: {starts}"


def lay_out(model: DepthPoseModel, precision: Precision, device: torch.device) -> None:
    """Convolution weights with channels last, where that is known to be faster and right; features follow.

    On a CPU 10 to 15 % of both networks' time; on a GPU tensor cores want dense convolutions in half precision so. The
    depth network stays as it is in half precision: on a CPU the weight gradients of its dilated depthwise convolutions
    then come out of uninitialised memory (oneDNN in torch 2.7.1), and no GPU has been measured.
    """
    half, cpu = precision in HALF, device.type == "cpu"
    for net, wanted in ((model.depth, cpu and not half), (model.pose, cpu or half)):
        if wanted and net is not None:
            to_channels_last(net)


def open_dataset(config: TrainConfig, which: str, store: SizedStore | None = None) -> TripletDataset:
    """The "train" or "val" data of a run: its split's lines, checked against the frames that are there."""
    data, loss = config.data, config.loss
    if store is None:
        store = open_store(data.dataset, data.data_path, data.png, config.model.height, config.model.width)
    lines, source = store.dataset.lines(store.root, data.split, which, loss.frame_ids)
    lines = check_frames(store, lines, loss.frame_ids, loss.use_stereo, data.skip_missing, source)
    depth = store.dataset.depth if which != "train" else None
    if depth is not None:
        depth.check(store.root, lines)
    return TripletDataset(
        store=store,
        lines=lines,
        frame_ids=loss.frame_ids,
        use_stereo=loss.use_stereo,
        intrinsics=data.intrinsics,
        color_jitter=data.color_jitter,
        seed=config.run.seed,
        training=which == "train",
        read_depth=None if depth is None else partial(depth.read, store.root),
    )
