"""The settings of a training run. Every field is a command-line flag of the same name.

Defaults are the published ones (Lite-Mono, CVPR 2023) unless the comment says otherwise. The dataclasses are the single
source: `python -m litemono.train --help`, the run folder's config.json and the resume check all come from them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import networks.registry
from litemono.engine.checkpoint_paths import has_checkpoints
from litemono.utils.errors import demand

Model = Literal[tuple(networks.names())]  # type: ignore[valid-type]
Dataset = Literal["kitti", "kitti_odom", "frames"]
ColorJitter = Literal["per_image", "per_triplet", "off"]
Precision = Literal["fp32", "tf32", "fp16", "bf16"]

# The published six-value schedule: (max, min, cycle in epochs) for the depth nets, then for the pose nets.
PUBLISHED_LR = (1e-4, 5e-6, 31.0, 1e-4, 1e-5, 31.0)


def six_rates(lr: Sequence[float]) -> tuple[float, ...]:
    """--lr as six values: as given, or from one maximum in the published proportions."""
    if len(lr) != 1:
        return tuple(lr)
    scale = lr[0] / PUBLISHED_LR[0]
    return tuple(value if i % 3 == 2 else value * scale for i, value in enumerate(PUBLISHED_LR))


def default_workers() -> int:
    """Threads or processes for a job: one per core this process may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class DataConfig:
    """Where the frames are and how they are read."""

    data_path: Path = Path("kitti_data")
    """Folder with the data: KITTI raw (2011_09_26/...), KITTI odometry (sequences/...), or a folder of frames."""
    dataset: Dataset = "kitti"
    """kitti: raw drives; kitti_odom: odometry sequences; frames: any folder of video frames (needs --intrinsics)."""
    split: str | None = None
    """Name of a folder in splits/, or path of a folder with train_files.txt and val_files.txt.
    Default: eigen_zhou for kitti, odom for kitti_odom, all frames (last tenth validates) for frames."""
    png: bool = False
    """The images are .png files (as KITTI ships them), not .jpg (as the field converts them)."""
    intrinsics: str = "published"
    """published: one normalised K for all of KITTI (0.58 W, 1.92 H, centre); calib: each drive's own calibration files;
    or fx,fy,cx,cy in pixels of the original images."""
    color_jitter: ColorJitter = "per_image"
    """per_image: new colours for each frame of a triplet (what the published code does); per_triplet: the same
    colours for the whole triplet (monodepth2's intent); off: none."""
    skip_missing: bool = False
    """Train on the split lines whose frames exist instead of stopping at the first check."""
    num_workers: int = field(default_factory=default_workers)
    """Threads that read frames; 0 reads between the steps. Default: one per core, at most 8."""


@dataclass(frozen=True)
class ModelConfig:
    """Which networks, at which size, from which weights."""

    model: Model = "lite-mono"
    """Depth network."""
    height: int = 192
    """Input height. The depth network resizes images to the nearest multiple of 32, and its output back; no padding."""
    width: int = 640
    """Input width; see height."""
    drop_path: float = 0.2
    """Stochastic depth rate of the last encoder block."""
    num_layers: Literal[18, 34, 50] = 18
    """Depth of the pose encoder's ResNet."""
    batched_pose: bool = False
    """One pass of the pose network for all frame pairs, instead of the published one after the other. Its BatchNorm then
    sees them together, which is another training. Saves nothing on a CPU; on a GPU, launches."""
    weights_init: str = "pretrained"
    """Pose encoder: pretrained (ImageNet, from weights/ or timm's cache; fetch with `python -m litemono.prepare weights`),
    scratch, or the path of a ResNet weights file."""
    mypretrain: Path | None = None
    """ImageNet-pretrained depth encoder (published lite-mono-pretrain.pth and the like)."""
    load_weights: Path | None = None
    """Folder with encoder.pth, depth.pth, pose_encoder.pth, pose.pth to start from (new optimiser, epoch 0)."""


@dataclass(frozen=True)
class LossConfig:
    """The photometric objective. Zhou et al. 2017; Godard et al. 2019."""

    frame_ids: tuple[int, ...] = (0, -1, 1)
    """Frames of a sample relative to the target, which is 0 and comes first. `--frame_ids 0 --use_stereo`: stereo only."""
    use_stereo: bool = False
    """Add the other camera of the pair as a source view."""
    scales: tuple[int, ...] = (0, 1, 2)
    """Disparity scales in the loss; scale s has 1/2^s of the input size."""
    min_depth: float = 0.1
    """Depth at disparity 1."""
    max_depth: float = 100.0
    """Depth at disparity 0."""
    disparity_smoothness: float = 1e-3
    """Weight of the edge-aware smoothness at scale 0."""
    avg_reprojection: bool = False
    """Average over source frames instead of the per-pixel minimum."""
    v1_multiscale: bool = False
    """Warp at each scale's own size instead of the full size (monodepth v1)."""
    disable_automasking: bool = False
    """Leave out the identity terms."""
    no_ssim: bool = False
    """Photometric error is L1 alone."""


@dataclass(frozen=True)
class OptimConfig:
    """Optimisation: two AdamW, one for the depth and one for the pose networks."""

    batch_size: int = 12
    """Samples per optimiser step and process."""
    accumulate: int = 1
    """Split each batch into this many equal parts and add up their gradients: less memory, same batch size.
    BatchNorm then sees the parts."""
    precision: Precision | None = None
    """Numbers the networks compute in; geometry and loss are float32 always. Default: fp16 with loss scaling on V100 and
    T4, bf16 on newer GPUs, fp32 on older ones and on a CPU. tf32: float32 storage, 10-bit products (newer GPUs)."""
    compile: bool = False
    """Fuse the photometric error into compiled kernels (torch.compile), checked against the plain ones at the start:
    20 s the first time. Needs a C++ compiler, on a GPU Triton."""
    sync_bn: bool = False
    """Several GPUs: BatchNorm statistics over the batches of all processes, instead of each process's own.
    Each such layer then waits for the GPU."""
    num_epochs: int = 30
    """Epochs to train."""
    lr: tuple[float, ...] = PUBLISHED_LR
    """Learning rate: six values (max min cycle for depth, max min cycle for pose), or one maximum from which the
    rest follows in the published proportions."""
    weight_decay: float = 1e-2
    """AdamW weight decay, on every tensor."""
    spike_factor: float = 100.0
    """Skip a step whose gradient norm is this many times the running mean (non-finite ones always); 0: never."""
    max_bad_steps: int = 10
    """Stop the run after this many skipped steps in a row."""


@dataclass(frozen=True)
class RunConfig:
    """Where the run lives and how it goes on."""

    log_dir: Path = Path("runs")
    """Parent of run folders."""
    model_name: str | None = None
    """Name of the run; the folder is log_dir/model_name. Default: the model's name. The same name resumes."""
    seed: int = 0
    """Sample order, augmentation and initialisation are functions of it."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints for exact resume (one is also written after each epoch and on a signal). 0: every step."""
    keep_checkpoints: int = 3
    """How many of the newest checkpoints to keep."""
    log_every: int = 50
    """Steps between TensorBoard scalars."""
    images_every: int = 1000
    """Steps between TensorBoard pictures."""
    max_steps: int | None = None
    """Stop after this many optimiser steps in all (a trial run); default: num_epochs decides."""
    profile: int | None = None
    """Record this many steps, after the first few, with torch's profiler: profile/ in the run folder gets a trace and five
    lines in words on where the time goes. Training goes on afterwards."""


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.log_dir / (self.run.model_name or self.model.model)


# What may differ when a run is resumed: the order of the samples, the objective and the schedule stay.
MAY_CHANGE = {
    "data_path",
    "split",  # a checkpoint knows its lists of samples
    "skip_missing",
    "png",
    "num_workers",
    "device",
    "precision",
    "compile",
    "batch_size",
    "accumulate",
    "num_epochs",
    "max_steps",
    "max_bad_steps",
    "spike_factor",
    "checkpoint_minutes",
    "keep_checkpoints",
    "log_every",
    "images_every",
    "profile",
    "log_dir",
    "model_name",
}


def check(config: TrainConfig) -> None:
    """Raise UserError for values that no training can have, before anything is written or queued."""
    data, model, loss = config.data, config.model, config.loss
    demand(data.data_path.is_dir(), f"--data_path {data.data_path}: no such folder")
    demand(data.num_workers >= 0, f"--num_workers {data.num_workers}: must not be negative")
    if data.dataset == "frames":
        demand(
            "," in data.intrinsics, "--dataset frames needs --intrinsics fx,fy,cx,cy (pixels of the original images)"
        )
        demand(not loss.use_stereo, "--use_stereo needs a stereo pair: --dataset kitti or kitti_odom")
    network = networks.registry.get(model.model)
    for name, value in (("height", model.height), ("width", model.width)):
        least = network.input.smallest
        demand(value >= least, f"--{name} {value}: must be at least {least}, the smallest size of {model.model}")
    demand(0 <= model.drop_path < 1, f"--drop_path {model.drop_path}: must be in [0, 1)")
    demand(
        not (config.optim.compile and loss.no_ssim), "--compile has nothing to fuse with --no_ssim; give one of the two"
    )
    longest = max(config.folder.parts, key=lambda part: len(part.encode()), default="")
    demand(len(longest.encode()) <= 255, f"{config.folder}: no file system takes a name of {len(longest)} letters")
    begun = has_checkpoints(config.folder)  # then nobody reads them again
    for name, path in (("load_weights", model.load_weights), ("mypretrain", model.mypretrain)):
        demand(path is None or begun or path.exists(), f"--{name} {path}: no such file or folder")
    demand(
        model.load_weights is None or model.mypretrain is None,
        "--mypretrain would overwrite the encoder of --load_weights; give one of the two",
    )
    check_loss(loss, network.scales)
    check_counts(config.optim, config.run)


def check_loss(loss: LossConfig, network_scales: Sequence[int]) -> None:
    """UserError for an objective without a source view, or with scales that the depth network does not have."""
    ids, scales = loss.frame_ids, loss.scales
    demand(
        bool(ids) and ids[0] == 0 and len(set(ids)) == len(ids),
        f"--frame_ids {ids}: the target 0 comes first and every frame once, for example 0 -1 1",
    )
    demand(len(ids) > 1 or loss.use_stereo, "--frame_ids 0 leaves nothing to compare with: add -1 1, or --use_stereo")
    demand(
        bool(scales) and set(scales) <= set(network_scales) and len(set(scales)) == len(scales),
        f"--scales {scales}: choose from {' '.join(map(str, network_scales))}, each once; the depth network has no others",
    )
    demand(
        0 < loss.min_depth < loss.max_depth,
        f"--min_depth {loss.min_depth} --max_depth {loss.max_depth}: depths are positive and the first is smaller",
    )
    demand(math.isfinite(loss.max_depth), f"--max_depth {loss.max_depth}: must be a finite number of metres")
    check_not_negative("disparity_smoothness", loss.disparity_smoothness)


def check_not_negative(name: str, value: float) -> None:
    demand(0 <= value < math.inf, f"--{name} {value}: must be finite and not negative")


def check_counts(optim: OptimConfig, run: RunConfig) -> None:
    """UserError for rates, sizes and intervals that make no training."""
    demand(
        len(optim.lr) in (1, 6), f"--lr takes 1 or 6 values, not {len(optim.lr)}: max min cycle, for depth, then pose"
    )
    demand(all(0 < value < math.inf for value in optim.lr), "--lr: every value must be positive and finite")
    for name, value in (
        ("weight_decay", optim.weight_decay),
        ("spike_factor", optim.spike_factor),
        ("checkpoint_minutes", run.checkpoint_minutes),
    ):
        check_not_negative(name, value)
    demand(0 <= run.seed < 2**63, f"--seed {run.seed}: must be in [0, 2^63)")
    for group, names in (
        (optim, ("batch_size", "accumulate", "num_epochs", "max_bad_steps")),
        (run, ("keep_checkpoints", "log_every", "images_every", "max_steps", "profile")),
    ):
        for name in names:
            value = getattr(group, name)
            demand(value is None or value >= 1, f"--{name} {value}: must be at least 1")
    demand(
        optim.batch_size % optim.accumulate == 0,
        f"--accumulate {optim.accumulate} must divide --batch_size {optim.batch_size}",
    )


def to_json(config: TrainConfig) -> str:
    return json.dumps(dataclasses.asdict(config), indent=2, default=str) + "\n"


def differences(saved: str, config: TrainConfig) -> list[str]:
    """Flags that differ between a run folder's config.json and `config` in a way that forbids resuming."""
    then, now = json.loads(saved), json.loads(to_json(config))
    for settings in (then, now):  # one maximum or the six rates that follow from it: the same schedule
        if lr := settings.get("optim", {}).get("lr"):
            settings["optim"]["lr"] = list(six_rates(lr))
    return [
        f"--{name} was {then.get(group, {}).get(name)}, is {value}"
        for group, values in now.items()
        for name, value in values.items()
        if name not in MAY_CHANGE and then.get(group, {}).get(name, value) != value
    ]
