"""The settings of supervised training (litemono.finetune). Every field is a command-line flag of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import Self

import networks.registry
from litemono.data.depth_settings import DepthDataConfig, check_depth_data
from litemono.engine.lr_schedule import Rate
from litemono.engine.settings import OptimConfig, TrainingConfig, check_not_negative, check_training
from litemono.losses.registry import LOSSES
from litemono.tasks.checks import check_depth_range, check_first_weights, check_input_size
from litemono.tasks.supervised.groups import DepthModelConfig, RecipeConfig, SupervisedLossConfig
from litemono.tasks.supervised.recipes import RECIPES
from litemono.utils.errors import require
from litemono.utils.flags import value_in

DEFAULT_RATES = (Rate(1e-4, 1e-6, 10.0), Rate(5e-4, 5e-6, 10.0))  # encoder, decoder


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
    def defaults(cls, args: Sequence[str]) -> Self:
        name = value_in(args, "recipe")
        if name not in RECIPES:
            return cls()
        return cls(defaults_from=RecipeConfig(name), **RECIPES[name]._asdict())

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
    check_depth_range(loss.min_depth, loss.max_depth)
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
    check_input_size(model.model, model.height, model.width, network.input.smallest)
    require(0 <= model.drop_path < 1, f"--drop_path {model.drop_path}: must be in [0, 1)")
    check_first_weights(config, model.load_weights, model.mypretrain)
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
