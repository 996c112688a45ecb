"""The settings of supervised training (litemono.finetune). Every field is a command-line flag of the same name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import Self

import networks.registry
from litemono.data.depth_settings import DepthDataConfig, check_depth_data
from litemono.engine.checkpoint_paths import has_checkpoints
from litemono.engine.lr_schedule import Rate
from litemono.engine.settings import OptimConfig, TrainingConfig, check_not_negative, check_training
from litemono.losses.registry import LOSSES
from litemono.tasks.monodepth.settings import ModelConfig
from litemono.utils.errors import require
from networks.metric_head import METRIC_HEADS

DEFAULT_RATES = (Rate(1e-4, 1e-6, 10.0), Rate(5e-4, 5e-6, 10.0))  # encoder, decoder


if TYPE_CHECKING:  # a type checker cannot read the registries
    AnyModel = str
    LossName = str
    HeadName = str
else:
    AnyModel = Literal[tuple(networks.registry.SPECS)]
    LossName = Literal[tuple(LOSSES)]
    HeadName = Literal[tuple(METRIC_HEADS)]
Attention = Literal["softmax", "performer", "memory-compressed-2", "memory-compressed-3"]
Frozen = Literal["first-conv", "encoder-norms", "decoder-norms"]
RecipeName = Literal["dpt-kitti", "bts-kitti", "midas-redweb", "adabins-kitti", "lite-mono-kitti-supervised"]


@dataclass(frozen=True)
class DepthModelConfig:
    """Which network, at which size, from which weights."""

    model: AnyModel = ModelConfig.model
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
    """Weights to start from: a folder such as that of a self-supervised run, or a published file of DPT or MiDaS."""
    attention: Attention | None = None
    """Attention of a DPT's blocks. Default: softmax, or what --load_weights has."""
    metric_head: HeadName | None = None
    """A DPT or MiDaS that is to predict metres: scale and shift of 1 / max(scale r + shift, 1e-8), those of the published
    weights of DPT-Hybrid for KITTI or NYUv2. Default: what --load_weights has, else kitti."""
    estimate_scale_shift: int | None = None
    """Fit that scale and shift instead: for each of so many training images robustly (median and mean deviation), then the
    median over the images. The loss then begins small."""
    grad_checkpoint: bool = False
    """Compute a DPT's blocks again in the backward pass: less memory, more time, the same numbers."""
    freeze: tuple[Frozen, ...] = ()
    """Parts that are not trained: the encoder's first convolution, the normalisation layers (and running statistics) of encoder
    or decoder."""
    decay_encoder_only: bool = False
    """No weight decay in the decoder."""


@dataclass(frozen=True)
class SupervisedLossConfig:
    """What the prediction is compared with, and how."""

    loss: LossName = "silog-bts"
    """Metres: silog-* (scale-invariant logarithmic error, Eigen et al. 2014, as BTS, AdaBins, ZoeDepth, Depth Anything and Eigen
    write it), l1, berhu, smooth-l1. Inverse depth up to scale and shift: ssi-mse, ssi-trimmed (MiDaS)."""
    gradient_weight: float = 0.5
    """ssi-*: weight of multi-scale gradient matching. 0 for sparse depth, which has no gradients."""
    min_depth: float = 1.0
    """Metres at disparity 1. Ground truth nearer than this does not count."""
    max_depth: float = 80.0
    """Metres at disparity 0. Ground truth beyond it does not count."""


@dataclass(frozen=True)
class RecipeConfig:
    """All settings of a paper at once; flags given beside it come first."""

    recipe: RecipeName | None = None
    """Where the settings that no flag gives come from; printed in full when the run starts. dpt-kitti: Ranftl et al. 2021;
    bts-kitti: Lee et al. 2019; midas-redweb: Ranftl et al. 2020; adabins-kitti: Bhat et al. 2021; lite-mono-kitti-supervised:
    ours."""


@dataclass(frozen=True)
class FinetuneConfig(TrainingConfig):
    """One supervised training run."""

    default_rates = DEFAULT_RATES

    defaults_from: RecipeConfig = field(default_factory=RecipeConfig)
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(schedule="cosine", num_epochs=20, batch_size=8))
    data: DepthDataConfig = field(default_factory=DepthDataConfig)
    model: DepthModelConfig = field(default_factory=DepthModelConfig)
    loss: SupervisedLossConfig = field(default_factory=SupervisedLossConfig)

    @classmethod
    def defaults(cls, args: Sequence[str]) -> FinetuneConfig:
        from litemono.tasks.supervised.recipes import recipe_in  # it holds FinetuneConfigs

        return recipe_in(args) or cls()

    def for_cores(self, cores: int) -> Self:
        return replace(self, data=self.data.for_cores(cores))

    @property
    def default_name(self) -> str:
        return f"{self.model.model}-supervised"


def check(config: FinetuneConfig) -> None:
    """Raise UserError for values that no training can have, before anything is written or queued."""
    data, loss = config.data, config.loss
    check_training(config)
    check_depth_data(data)
    check_model(config)
    require(
        0 < loss.min_depth < loss.max_depth < math.inf,
        f"--min_depth {loss.min_depth} --max_depth {loss.max_depth}: depths are positive, finite and the first is smaller",
    )
    check_not_negative("gradient_weight", loss.gradient_weight)
    relative = LOSSES[loss.loss].prediction == "relative"
    require(
        relative or loss.gradient_weight == SupervisedLossConfig.gradient_weight,
        f"--gradient_weight {loss.gradient_weight}: --loss {loss.loss} has no gradient matching; leave it out, or take ssi-mse "
        "or ssi-trimmed",
    )


def check_model(config: FinetuneConfig) -> None:
    """UserError for a network that cannot have what is asked of it."""
    model, loss = config.model, config.loss
    network = networks.registry.get(model.model)
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
        model.mypretrain is None or network.output == "disparity",
        f"--mypretrain has encoders of Lite-Mono, --model {model.model} is another network; use --load_weights",
    )
    with_attention = [name for name, spec in networks.registry.SPECS.items() if spec.attentions]
    require(
        model.attention is None or model.attention in network.attentions,
        f"--attention {model.attention}: {model.model} has no choice of attention; those that have: {', '.join(with_attention)}",
    )
    require(
        not model.grad_checkpoint or network.recomputes,
        f"--grad_checkpoint: {model.model} has batch norm in its blocks, whose statistics would be counted twice; it is for "
        f"{', '.join(name for name, spec in networks.registry.SPECS.items() if spec.recomputes)}",
    )
    has_head = network.output == "relative" and LOSSES[loss.loss].prediction == "metric"
    for name, given in (("metric_head", model.metric_head), ("estimate_scale_shift", model.estimate_scale_shift)):
        require(
            given is None or has_head,
            f"--{name} {given}: it makes metres of relative depth, and {model.model} with --loss {loss.loss} needs none",
        )
    count = model.estimate_scale_shift
    require(count is None or count >= 1, f"--estimate_scale_shift {count}: must be at least 1")
    require(
        count is None or model.metric_head is None,
        "--estimate_scale_shift fits what --metric_head gives; use one of the two",
    )
