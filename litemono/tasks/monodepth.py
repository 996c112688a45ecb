"""From settings to objects: data loaders, networks with their first weights, optimisers."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import networks
from litemono.config import TrainConfig
from litemono.data.batch import Batch
from litemono.data.loader import Loader
from litemono.data.sampler import EpochBatches
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_store
from litemono.data.triplets import open_dataset
from litemono.engine.distributed import World
from litemono.tasks.monodepth_model import DepthPoseModel
from networks import weights


@dataclass
class Data:
    train: Iterable[Batch]
    train_batches: EpochBatches
    """The order of the training samples; seek it before iterating over `train`."""
    train_samples: int
    val: Iterable[Batch]
    val_samples: int
    fingerprints: dict[str, str]
    """Of the lists of samples: a run resumes only on those it began with."""


def build_data(config: TrainConfig, world: World) -> Data:
    """Loaders for training and validation, after checking that every frame of every sample exists.

    Raises UserError where frames are missing (unless --skip_missing) or an epoch would have no batch.
    """
    d, m = config.data, config.model
    store = open_store(d.dataset, d.data_path, d.png, m.height, m.width)
    train, val = (open_dataset(config, which, store) for which in ("train", "val"))
    batch, seed = config.optim.batch_size, config.run.seed
    order = EpochBatches(len(train), batch, seed, world.rank, world.size)
    val_order = EpochBatches(len(val), batch, seed, world.rank, world.size, shuffle=False, drop_last=False)
    return Data(
        train=Loader(train, order, d.num_workers, world.device),
        train_batches=order,
        train_samples=len(train),
        val=Loader(val, val_order, d.num_workers, world.device),
        val_samples=len(val),
        fingerprints={"data": fingerprint(train.lines), "validation_data": fingerprint(val.lines)},
    )


def fingerprint(lines: Sequence[SplitLine]) -> str:
    return f"{len(lines)} samples, crc {zlib.crc32(repr(lines).encode()):08x}"


def build_model(config: TrainConfig) -> DepthPoseModel:
    """Networks with random weights, in train mode. Stereo-only training has no pose network."""
    m, loss = config.model, config.loss
    depth = networks.create(m.model, height=m.height, width=m.width, drop_path=m.drop_path)
    pose = networks.create_pose(m.num_layers) if len(loss.frame_ids) > 1 else None
    return DepthPoseModel(depth, pose, loss, batched_pose=m.batched_pose).train()


def load_initial_weights(config: TrainConfig, model: DepthPoseModel) -> None:
    """What a new run starts from: --weights_init and --mypretrain, or all of --load_weights."""
    m = config.model
    if m.load_weights is not None:
        weights.load_into(m.load_weights, model.depth, model.pose)
        return
    if m.mypretrain is not None:
        ignored = weights.load_imagenet_encoder(model.depth, m.mypretrain)
        print(f"{m.mypretrain}: encoder loaded; not used: {', '.join(ignored) or 'nothing'}", file=sys.stderr)
    if model.pose is not None and m.weights_init != "scratch":
        source = None if m.weights_init == "pretrained" else Path(m.weights_init)
        weights.load_pose_imagenet(model.pose, source)


def build_optimizers(config: TrainConfig, model: DepthPoseModel) -> list[torch.optim.Optimizer]:
    """AdamW for the depth and AdamW for the pose networks, every tensor decayed, as published.

    Fused: one pass over all tensors, and a step that can be forbidden on the device (see step.py).
    """
    nets = [net for net in (model.depth, model.pose) if net is not None]
    decay = config.optim.weight_decay
    return [torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=decay, fused=True) for net in nets]
