"""From settings to objects: data loaders, networks with their first weights, optimisers."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

import networks
from litemono.config import DataConfig, LossConfig, TrainConfig
from litemono.data.frames import FrameStore, list_frames, open_store
from litemono.data.kitti import SplitLine, read_split, split_file
from litemono.data.triplets import Batch, EpochBatches, TripletDataset, check_frames, make_loader
from litemono.distributed import World
from litemono.errors import UserError
from litemono.model import DepthPoseModel
from networks import weights

DEFAULT_SPLIT = {"kitti": "eigen_zhou", "kitti_odom": "odom"}


@dataclass
class Data:
    train: Iterable[Batch]
    train_batches: EpochBatches
    """The order of the training samples; seek it before iterating over `train`."""
    train_samples: int
    val: Iterable[Batch]
    val_samples: int
    fingerprint: str
    """Identifies the list of training samples: a run resumes only on the list it began with."""


def split_lines(config: DataConfig, which: str, store: FrameStore, loss: LossConfig) -> list[SplitLine]:
    """The samples of the training or validation split whose frames are all there."""
    if config.dataset == "frames" and config.split is None:
        lines, source = list_frames(store, which, loss.frame_ids), config.data_path
    else:
        source = split_file(config.split or DEFAULT_SPLIT[config.dataset], which)
        lines = read_split(source)
    return check_frames(
        store, lines, loss.frame_ids, use_stereo=loss.use_stereo, skip_missing=config.skip_missing, split_path=source
    )


def build_data(config: TrainConfig, world: World) -> Data:
    """Loaders for training and validation, after checking that every frame of every sample exists.

    Raises UserError where frames are missing (unless --skip_missing) or an epoch would have no batch.
    """
    d, m, loss = config.data, config.model, config.loss
    store = open_store(d.dataset, d.data_path, png=d.png, height=m.height, width=m.width)
    lines = {which: split_lines(d, which, store, loss) for which in ("train", "val")}
    batch, count = config.optim.batch_size, len(lines["train"])
    if count < batch * world.size:
        raise UserError(
            f"{count} training samples do not fill one batch of {batch * world.size} (--batch_size {batch} x {world.size} "
            "processes); use a smaller --batch_size"
        )
    if not lines["val"]:
        raise UserError("the validation split has no samples; add lines to its val_files.txt")

    def dataset(which: str) -> TripletDataset:
        return TripletDataset(
            store,
            lines[which],
            frame_ids=loss.frame_ids,
            use_stereo=loss.use_stereo,
            intrinsics=d.intrinsics,
            color_jitter=d.color_jitter,
            seed=config.run.seed,
            training=which == "train",
            with_depth=which == "val" and d.dataset == "kitti",
        )

    ranks = {"rank": world.rank, "world_size": world.size}
    order = EpochBatches(count, batch, config.run.seed, **ranks)
    val_order = EpochBatches(len(lines["val"]), batch, config.run.seed, **ranks, shuffle=False, drop_last=False)
    return Data(
        train=make_loader(dataset("train"), order, d.num_workers, world.device),
        train_batches=order,
        train_samples=count,
        val=make_loader(dataset("val"), val_order, d.num_workers, world.device),
        val_samples=len(lines["val"]),
        fingerprint=f"{count} samples, crc {zlib.crc32(repr(lines['train']).encode()):08x}",
    )


def build_model(config: TrainConfig) -> DepthPoseModel:
    """Networks with random weights, in train mode. Stereo-only training has no pose network."""
    m, loss = config.model, config.loss
    depth = networks.create(m.model, height=m.height, width=m.width, drop_path=m.drop_path)
    pose = networks.create_pose(m.num_layers) if len(loss.frame_ids) > 1 else None
    return DepthPoseModel(depth, pose, loss).train()


def load_initial_weights(config: TrainConfig, model: DepthPoseModel) -> None:
    """What a new run starts from: --weights_init and --mypretrain, or all of --load_weights."""
    m = config.model
    if m.load_weights is not None:
        weights.load_into(m.load_weights, model.depth_net, model.pose_net)
        if m.mypretrain is not None:
            raise UserError("--mypretrain would overwrite the encoder of --load_weights; give one of the two")
        return
    if m.mypretrain is not None:
        ignored = weights.load_imagenet_encoder(model.depth_net, m.mypretrain)
        print(f"{m.mypretrain}: encoder loaded; not used: {', '.join(ignored) or 'nothing'}", file=sys.stderr)
    if model.pose_net is not None and m.weights_init != "scratch":
        source = None if m.weights_init == "pretrained" else Path(m.weights_init)
        weights.load_pose_imagenet(model.pose_net, source)


def build_optimizers(config: TrainConfig, model: DepthPoseModel) -> list[torch.optim.Optimizer]:
    """AdamW for the depth and AdamW for the pose networks, every tensor decayed, as published."""
    nets = [net for net in (model.depth_net, model.pose_net) if net is not None]
    return [torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=config.optim.weight_decay) for net in nets]
