"""The settings of litemono.refine. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import Self

import networks.registry
from litemono.data.refine_settings import RefineDataConfig, check_refine_data
from litemono.engine.checkpoint_paths import has_checkpoints
from litemono.engine.lr_schedule import Rate
from litemono.engine.settings import OptimConfig, TrainingConfig, check_training
from litemono.losses.registry import OBJECT_WEIGHTED
from litemono.tasks.checks import check_depth_range, check_input_size
from litemono.tasks.monodepth.settings import ModelConfig
from litemono.utils.errors import require

if TYPE_CHECKING:  # a type checker cannot read the registries
    Refiner = str
    LossName = str
else:
    Refiner = Literal[tuple(networks.registry.REFINERS)]
    LossName = Literal[OBJECT_WEIGHTED]


@dataclass(frozen=True)
class RefineModelConfig:
    """Which network, at which size, from which weights."""

    model: Refiner = "unet-resnet18"
    """unet-resnet18: looks at image and depth; affine: learns one scale and shift; affine-grid: one of each for every part of
    the image."""
    height: int = ModelConfig.height
    """Height that images and depth are brought to."""
    width: int = ModelConfig.width
    """Width that they are brought to."""
    predict: Literal["residual", "depth"] = "residual"
    """residual: what is to be added to the given depth after the best global scale and shift; depth: depth itself."""
    weights_init: str = "pretrained"
    """Encoder of unet-resnet18: pretrained (ImageNet, from weights/ or timm's cache; fetch with
    `python -m litemono.prepare weights`), scratch, or the path of a ResNet-18 weights file."""
    load_weights: Path | None = None
    """Weights folder of a refiner to start from, with its scale and shift."""


@dataclass(frozen=True)
class RefineLossConfig:
    """What the prediction is compared with, and how."""

    loss: LossName = "mse"
    """mse, l1, rmse, berhu, silog (BTS), rmsle (root mean square of log(x + 1)), msr (mean squared relative error)."""
    object_weight: float = 0.5
    """Weight (lambda) of the pixels of objects; all others have 1 - lambda. 1: objects alone. Needs masks."""
    min_depth: float = 1e-3
    """Metres. Ground truth nearer than this does not count."""
    max_depth: float = 80.0
    """Metres. Ground truth beyond it does not count."""
    align_images: int = 64
    """Training images, spread over the list, on which the global scale and shift are fitted by least squares."""


@dataclass(frozen=True)
class RefineConfig(TrainingConfig):
    """One training of a refiner."""

    default_rates = (Rate(1e-3, 1e-5, 10.0),)

    optim: OptimConfig = field(default_factory=lambda: OptimConfig(schedule="cosine", num_epochs=20, batch_size=8))
    data: RefineDataConfig = field(default_factory=RefineDataConfig)
    model: RefineModelConfig = field(default_factory=RefineModelConfig)
    loss: RefineLossConfig = field(default_factory=RefineLossConfig)

    def for_cores(self, cores: int) -> Self:
        return replace(self, data=self.data.for_cores(cores))

    @property
    def default_name(self) -> str:
        return f"{self.model.model}-refined"


def check(config: RefineConfig) -> None:
    """Raise UserError for values that no training can have, before anything is written or queued."""
    loss, model = config.loss, config.model
    check_training(config)
    check_refine_data(config.data)
    least = networks.registry.REFINERS[model.model].input.smallest
    check_input_size(model.model, model.height, model.width, least)
    begun = has_checkpoints(config.folder)  # then these files are not read again
    path = model.load_weights
    require(path is None or begun or path.exists(), f"--load_weights {path}: no such folder")
    require(0 <= loss.object_weight <= 1, f"--object_weight {loss.object_weight}: must be from 0 to 1")
    check_depth_range(loss.min_depth, loss.max_depth)
    require(loss.align_images >= 1, f"--align_images {loss.align_images}: must be at least 1")
    affine = networks.registry.REFINERS[model.model].input.multiple == 1
    require(
        not affine or model.predict == "residual",
        f"--predict {model.predict}: {model.model} only scales and shifts the given depth; leave it out",
    )
