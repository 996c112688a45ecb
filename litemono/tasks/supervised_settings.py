"""The settings of supervised training (litemono.finetune). Every field is a command-line flag of the same name."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import Self

import networks.registry
from litemono.data.depth_settings import DepthDataConfig, check_depth_data
from litemono.engine.checkpoint_paths import has_checkpoints
from litemono.engine.lr_schedule import Rate
from litemono.engine.settings import OptimConfig, TrainingConfig, check_training
from litemono.losses.registry import LOSSES
from litemono.tasks.monodepth_settings import Model, ModelConfig
from litemono.utils.errors import require

DEFAULT_RATES = (Rate(1e-4, 1e-6, 10.0), Rate(5e-4, 5e-6, 10.0))  # encoder, decoder


if TYPE_CHECKING:  # a type checker cannot read the registry
    MetricLoss = str
else:
    MetricLoss = Literal[tuple(name for name, loss in LOSSES.items() if loss.prediction == "metric")]


@dataclass(frozen=True)
class DepthModelConfig:
    """Which network, at which size, from which weights."""

    model: Model = ModelConfig.model
    """Depth network."""
    height: int = ModelConfig.height
    """Input height. The depth network resizes images to a size that fits it, and its output back; no padding."""
    width: int = ModelConfig.width
    """Input width; see height."""
    drop_path: float = ModelConfig.drop_path
    """Stochastic depth rate of the last encoder block."""
    mypretrain: Path | None = None
    """ImageNet-pretrained depth encoder (published lite-mono-pretrain.pth and the like)."""
    load_weights: Path | None = None
    """Folder with encoder.pth and depth.pth to start from, such as the weights of a self-supervised run."""


@dataclass(frozen=True)
class SupervisedLossConfig:
    """What the prediction is compared with, and how."""

    loss: MetricLoss = "silog-bts"
    """silog-*: scale-invariant logarithmic error (Eigen et al. 2014) as BTS, AdaBins, ZoeDepth, Depth Anything and Eigen write
    it; l1, berhu, smooth-l1: differences in metres."""
    min_depth: float = 1.0
    """Depth at disparity 1. Ground truth nearer than this does not count."""
    max_depth: float = 80.0
    """Depth at disparity 0. Ground truth beyond it does not count."""


@dataclass(frozen=True)
class FinetuneConfig(TrainingConfig):
    """One supervised training run."""

    default_rates = DEFAULT_RATES

    optim: OptimConfig = field(default_factory=lambda: OptimConfig(schedule="cosine", num_epochs=20, batch_size=8))
    data: DepthDataConfig = field(default_factory=DepthDataConfig)
    model: DepthModelConfig = field(default_factory=DepthModelConfig)
    loss: SupervisedLossConfig = field(default_factory=SupervisedLossConfig)

    def for_cores(self, cores: int) -> Self:
        return replace(self, data=self.data.for_cores(cores))

    @property
    def default_name(self) -> str:
        return f"{self.model.model}-supervised"


def check(config: FinetuneConfig) -> None:
    """Raise UserError for values that no training can have, before anything is written or queued."""
    data, model, loss = config.data, config.model, config.loss
    check_training(config)
    check_depth_data(data)
    network = networks.registry.get(model.model)
    fitting = [name for name, spec in networks.registry.SPECS.items() if spec.output != "relative"]
    require(
        model.model in fitting,
        f"--loss {loss.loss} compares metres, and --model {model.model} predicts depth up to scale and shift; those that "
        f"fit: {', '.join(fitting)}",
    )
    for name, value in (("height", model.height), ("width", model.width)):
        least = network.input.smallest
        require(value >= least, f"--{name} {value}: must be at least {least}, the smallest size of {model.model}")
    require(0 <= model.drop_path < 1, f"--drop_path {model.drop_path}: must be in [0, 1)")
    begun = has_checkpoints(config.folder)  # then these files are not read again
    for name, path in (("load_weights", model.load_weights), ("mypretrain", model.mypretrain)):
        require(path is None or begun or path.exists(), f"--{name} {path}: no such file or folder")
    require(
        model.load_weights is None or model.mypretrain is None,
        "--mypretrain would overwrite the encoder of --load_weights; give one of the two",
    )
    require(
        0 < loss.min_depth < loss.max_depth < math.inf,
        f"--min_depth {loss.min_depth} --max_depth {loss.max_depth}: depths are positive, finite and the first is smaller",
    )
