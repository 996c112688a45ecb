"""The settings of training on masks and depth (litemono.segment). Every field is a command-line flag of the same name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import Self

import networks.registry
from litemono.data.composite_settings import CompositesConfig, check_composites
from litemono.engine.checkpoint_paths import has_checkpoints
from litemono.engine.lr_schedule import Rate
from litemono.engine.settings import OptimConfig, TrainingConfig, check_not_negative, check_training
from litemono.tasks.checks import check_input_size
from litemono.utils.errors import require

SIMILARITY_WINDOW = 7  # pixels, scikit-image's default
Criterion = Literal["bce", "smooth-l1", "mse", "ssim"]

if TYPE_CHECKING:  # a type checker cannot read the registry
    MaskModel = str
else:
    MaskModel = Literal[tuple(networks.registry.MASK_NETWORKS)]


@dataclass(frozen=True)
class MaskModelConfig:
    """Which network, at which size, from which weights."""

    model: MaskModel = "cnn"
    """Network. cnn: 0.25 million parameters; unet-resnet18: 14 million, from ImageNet weights."""
    height: int = 128
    """Height of the pictures in training."""
    width: int = 128
    """Width of the pictures in training."""
    weights_init: str = "pretrained"
    """Encoder of unet-resnet18: pretrained (ImageNet, from litemono prepare weights), scratch, or a file of a ResNet-18."""
    load_weights: Path | None = None
    """Weights folder of another run to start from."""


@dataclass(frozen=True)
class HeadsLossConfig:
    """What the two predictions are compared with, and how the two losses become one."""

    mask_loss: Criterion = "bce"
    """Of the mask. bce: binary cross-entropy; ssim: (1 - SSIM) / 2 in Gaussian windows."""
    depth_loss: Criterion = "smooth-l1"
    """Of the depth, which is in [0, 1]."""
    combine: Literal["weighted", "roots", "uncertainty"] = "weighted"
    """weighted: --mask_weight l_m + --depth_weight l_d; roots: sqrt(l_m) + sqrt(l_d); uncertainty: weights learned with the
    network (Kendall et al. 2018)."""
    mask_weight: float = 1.0
    """Weight of the mask's loss."""
    depth_weight: float = 1.0
    """Weight of the depth's loss."""
    ssim_window: int = 11
    """Side of SSIM's window in pixels, odd."""


@dataclass(frozen=True)
class AccuracyConfig:
    """When a prediction counts as right: by its structural similarity (SSIM) to the truth, both as 8-bit pictures."""

    mask_similarity: float = 0.90
    """A mask is right whose similarity is above this."""
    depth_similarity: float = 0.50
    """A depth is right whose similarity is above this."""


@dataclass(frozen=True)
class SegmentConfig(TrainingConfig):
    """One training run on masks and depth."""

    optim: OptimConfig = field(default_factory=lambda: OptimConfig(schedule="one-cycle", num_epochs=30, batch_size=32))
    data: CompositesConfig = field(default_factory=CompositesConfig)
    model: MaskModelConfig = field(default_factory=MaskModelConfig)
    loss: HeadsLossConfig = field(default_factory=HeadsLossConfig)
    accuracy: AccuracyConfig = field(default_factory=AccuracyConfig)

    default_rates = (Rate(2e-3, 2e-5, 10.0),)

    def for_cores(self, cores: int) -> Self:
        return replace(self, data=self.data.for_cores(cores))

    @property
    def default_name(self) -> str:
        return f"{self.model.model}-mask-depth"


def check(config: SegmentConfig) -> None:
    """Raise UserError for values that no training can have, before anything is written or queued."""
    check_training(config)
    check_composites(config.data)
    model, loss = config.model, config.loss
    least = max(networks.registry.MASK_NETWORKS[model.model].input.smallest, SIMILARITY_WINDOW)
    check_input_size(model.model, model.height, model.width, least)
    begun = has_checkpoints(config.folder)  # then the file is not read again
    require(
        model.load_weights is None or begun or model.load_weights.is_dir(),
        f"--load_weights {model.load_weights}: no such folder; give one like RUN/models/last",
    )
    check_loss(loss, min(model.height, model.width))
    check_accuracy(config.accuracy)


def check_loss(loss: HeadsLossConfig, shortest: int) -> None:
    """shortest: side of the pictures."""
    for name in ("mask_weight", "depth_weight"):
        value, default = getattr(loss, name), getattr(HeadsLossConfig, name)
        check_not_negative(name, value)
        require(
            loss.combine == "weighted" or value == default,
            f"--{name} {value}: has no effect with --combine {loss.combine}; leave it out, or take --combine weighted",
        )
    require(loss.mask_weight + loss.depth_weight > 0, "--mask_weight 0 --depth_weight 0: nothing would be trained")
    window = loss.ssim_window
    require(window >= 3 and window % 2 == 1, f"--ssim_window {window}: must be odd and at least 3")
    require(window // 2 < shortest, f"--ssim_window {window}: too large for pictures of {shortest} pixels")


def check_accuracy(accuracy: AccuracyConfig) -> None:
    for name in ("mask_similarity", "depth_similarity"):
        value = getattr(accuracy, name)
        require(-1 <= value < 1, f"--{name} {value}: a similarity is between -1 and 1, and none is above 1")
