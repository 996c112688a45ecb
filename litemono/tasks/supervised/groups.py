"""The groups of flags of supervised training that are its own: network, loss, recipe. settings.py joins them with the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import networks.registry
from litemono.losses.registry import LOSSES
from litemono.tasks.monodepth.settings import ModelConfig
from networks.metric_head import METRIC_HEADS

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
    """Metres at disparity 1. Only ground truth beyond it counts; with silog-depth-anything also what is exactly there."""
    max_depth: float = 80.0
    """Metres at disparity 0. Only ground truth nearer than this counts; with silog-depth-anything also what is exactly there."""


@dataclass(frozen=True)
class RecipeConfig:
    """All settings of a paper at once; flags given beside it come first."""

    recipe: RecipeName | None = None
    """Where the settings that no flag gives come from; printed in full when the run starts. dpt-kitti: Ranftl et al. 2021;
    bts-kitti: Lee et al. 2019; midas-redweb: Ranftl et al. 2020; adabins-kitti: Bhat et al. 2021; lite-mono-kitti-supervised:
    ours."""
