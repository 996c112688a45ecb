"""The settings of self-supervised training (litemono.train). Every field is a command-line flag of the same name.

Defaults are the published ones (Lite-Mono, CVPR 2023) unless the comment says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import Self

import networks
from litemono.data.datasets import registry as datasets
from litemono.data.settings import DataConfig, check_data
from litemono.engine.lr_schedule import Rate
from litemono.engine.settings import TrainingConfig, check_not_negative, check_training
from litemono.tasks.checks import check_depth_range, check_first_weights, check_input_size
from litemono.utils.errors import require
from networks import registry

if TYPE_CHECKING:  # a type checker cannot read the registry
    Model = str
else:
    Model = Literal[tuple(networks.names("disparity"))]

# The published schedule: (max, min, cycle in epochs) for the depth networks, then for the pose networks.
DEFAULT_RATES = (Rate(1e-4, 5e-6, 31.0), Rate(1e-4, 1e-5, 31.0))
POSE_STRIDE = 32  # of the pose encoder's last stage, a ResNet
PUBLISHED_LR = tuple(value for rate in DEFAULT_RATES for value in rate)


CompiledPart = Literal["loss", "decoder", "encoder", "pose"]


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
    """Folder with encoder.pth, depth.pth, pose_encoder.pth, pose.pth to start from (new optimiser, epoch 0). Published
    folders lack the pose network's; its encoder then starts from --weights_init."""


MODEL_HELP = (
    f"{', '.join(networks.names())}. Default: the run's own; for other weights {ModelConfig.model}, or what a file of DPT or "
    "MiDaS fits."
)
"""Of --model where weights are used, not trained."""


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
    compile: bool = False
    """Run parts of the step as compiled code (torch.compile), checked against the plain code at the start: a minute the first
    time, kept in the run folder. Needs a C++ compiler, on a GPU Triton."""
    compile_parts: tuple[CompiledPart, ...] = ("loss", "decoder")
    """Of --compile: loss (the photometric error), decoder of the depth network, encoder (its repeated blocks), pose (its residual
    blocks). The default's are faster on a CPU; the others are not, and no GPU was measured."""


@dataclass(frozen=True)
class TrainConfig(TrainingConfig):
    """One self-supervised training run."""

    default_rates = DEFAULT_RATES

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    def for_cores(self, cores: int) -> Self:
        return replace(self, data=self.data.for_cores(cores))

    @property
    def default_name(self) -> str:
        return self.model.model


def check(config: TrainConfig) -> None:
    """Raise UserError for values that no training can have, before anything is written or queued."""
    data, model, loss = config.data, config.model, config.loss
    check_training(config)
    check_data(data)
    datasets.check_flags(data.dataset, data.intrinsics, loss.use_stereo, data.data_path)
    network = registry.get(model.model)
    check_input_size(model.model, model.height, model.width, network.input.smallest)
    require(0 <= model.drop_path < 1, f"--drop_path {model.drop_path}: must be in [0, 1)")
    check_compile(config)
    check_first_weights(config, model.load_weights, model.mypretrain)
    check_loss(loss, network.scales)
    check_pose_batch(config)


def check_compile(config: TrainConfig) -> None:
    """UserError for parts of the step that --compile cannot have."""
    loss, parts = config.loss, set(config.loss.compile_parts)
    if not loss.compile:
        return
    require(parts, "--compile_parts: give one or more, or leave --compile out")
    require(
        not (loss.no_ssim and "loss" in parts),
        "--compile has no loss to fuse with --no_ssim; leave one of the two out, or give --compile_parts decoder",
    )
    require(
        "pose" not in parts or len(loss.frame_ids) > 1,
        "--compile_parts pose: stereo training has no pose network; leave it out",
    )
    require(
        not (config.optim.sync_bn and parts & {"encoder", "pose"}),
        "--compile_parts encoder and pose do not go with --sync_bn, which replaces their BatchNorm; leave them out",
    )


def check_pose_batch(config: TrainConfig) -> None:
    """UserError where the pose network's BatchNorm would see one number for each channel, which has no variance."""
    model, loss, optim = config.model, config.loss, config.optim
    pairs = len(loss.frame_ids) - 1
    images = optim.batch_size // optim.accumulate * (pairs if model.batched_pose else 1)
    places = math.ceil(model.height / POSE_STRIDE) * math.ceil(model.width / POSE_STRIDE)
    require(
        pairs == 0 or images * places > 1,
        f"--batch_size {optim.batch_size} --accumulate {optim.accumulate} at {model.width}x{model.height}: the pose "
        "network's BatchNorm would see one value per channel; give a larger batch per forward pass, or a larger --height or "
        "--width",
    )


def check_loss(loss: LossConfig, network_scales: Sequence[int]) -> None:
    """UserError for an objective without a source view, or with scales that the depth network does not have."""
    ids, scales = loss.frame_ids, loss.scales
    require(
        bool(ids) and ids[0] == 0 and len(set(ids)) == len(ids),
        f"--frame_ids {ids}: the target 0 comes first and every frame once, for example 0 -1 1",
    )
    require(len(ids) > 1 or loss.use_stereo, "--frame_ids 0 leaves nothing to compare with: add -1 1, or --use_stereo")
    require(
        bool(scales) and set(scales) <= set(network_scales) and len(set(scales)) == len(scales),
        f"--scales {scales}: choose from {' '.join(map(str, network_scales))}, each once; the depth network has no others",
    )
    check_depth_range(loss.min_depth, loss.max_depth)
    check_not_negative("disparity_smoothness", loss.disparity_smoothness)
