"""python -m benchmarks.compiled_gradients: how far compiled networks move the gradients of a step, and why.

Compiled code adds in another order, so outputs differ in their last bits. How much that moves a gradient depends on what is
differentiated. So the same difference is taken three times: for compiled code, for plain code whose images are changed by
1e-7 of their values, and for both against float64. And for two losses: the photometric one, which has minima over views,
signs and pixel boundaries, and a smooth function of what the networks return. And with the pose network's ReLU, whose gradient
jumps at 0, and with softplus in its place.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.step_subjects import Case, Inputs
from benchmarks.train_step import parse_size
from litemono.data.augment import Views
from litemono.engine.precision import apply_precision
from litemono.tasks.monodepth.compiled_networks import compile_networks
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.tasks.monodepth.task import Monodepth
from litemono.utils import cli
from litemono.utils.device import choose_device
from litemono.utils.errors import require

ACTIVATIONS = ("relu", "softplus")
NUDGE = 1e-7  # of each pixel's value; float32 keeps 6e-8
Gradients = dict[str, Tensor]
Loss = Callable[[DepthPoseModel, Views], Tensor]


@dataclass(frozen=True)
class GradientConfig:
    """What is compared."""

    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    parts: tuple[Literal["decoder", "encoder", "pose"], ...] = ("pose",)
    """Of the networks, compiled."""
    model: str = "lite-mono"
    """Depth network."""
    size: str = "640x192"
    """WIDTHxHEIGHT."""
    batch: int = 2
    """Samples."""
    nudges: int = 4
    """Plain passes with changed images, each with another change."""
    json: Path | None = None
    """Write the results to this file."""


@dataclass(frozen=True)
class Difference:
    """Of two sets of gradients, tensor by tensor; in terms of the largest entry of the second."""

    activation: str
    loss: str
    what: str
    median: float
    worst: float
    worst_tensor: str
    over_1_percent: int
    """Tensors."""


def compare(config: GradientConfig) -> int:
    """Differentiate one batch's loss plainly, compiled, with images changed in their last bit, and in float64.

    Example: python -m benchmarks.compiled_gradients --parts pose --json compiled_gradients.json
    """
    require(config.nudges > 0 and config.batch > 0 and config.parts, "--nudges, --batch and --parts: give one or more")
    device = choose_device(config.device)
    apply_precision("fp32")
    case = Case(config.model, *parse_size(config.size), config.batch)
    inputs = Inputs(case, device)
    torch.manual_seed(0)
    found = []
    for activation in ACTIVATIONS:
        plain = with_activation(Monodepth(inputs.settings).build(device, "fp32"), activation)
        fast = compiled(plain, config, device)
        for name, loss in LOSSES.items():
            found += differences((activation, name), loss, plain, fast, inputs.views, config.nudges)
    show(case, config, found)
    write_record(config.json, machine(device), {**asdict(case), "differences": [asdict(row) for row in found]})
    return cli.FINISHED


def with_activation(model: DepthPoseModel, name: str) -> DepthPoseModel:
    """The model whose pose encoder has this activation, in place."""
    for module in list(model.pose.modules()):
        for place, child in list(module.named_children()):
            if isinstance(child, nn.ReLU) and name == "softplus":
                setattr(module, place, nn.Softplus(beta=10))
    return model


def compiled(plain: DepthPoseModel, config: GradientConfig, device: torch.device) -> DepthPoseModel:
    """A copy with compiled parts."""
    model = copy.deepcopy(plain)
    width, height = parse_size(config.size)
    images = torch.rand(config.batch, 3, height, width, generator=torch.Generator().manual_seed(0)).to(device)
    compile_networks(model, config.parts, images, "fp32", device)
    return model


def differences(
    case: tuple[str, str], loss: Loss, plain: DepthPoseModel, fast: DepthPoseModel, views: Views, nudges: int
) -> list[Difference]:
    """Of one loss. The rows with float64 say whose rounding it is; those with changed images, how much any rounding does."""
    reference = gradients(plain, views, loss)
    exact = gradients(copy.deepcopy(plain).double(), in_double(views), loss)
    ours = gradients(fast, views, loss)
    rows = [
        difference(case, "compiled against plain", ours, reference),
        difference(case, "plain against float64", reference, exact),
        difference(case, "compiled against float64", ours, exact),
    ]
    for seed in range(nudges):
        changed = gradients(plain, nudged(views, seed), loss)
        rows.append(difference(case, f"plain, images changed by {NUDGE:g} ({seed}), against plain", changed, reference))
    return rows


def gradients(model: DepthPoseModel, views: Views, loss: Loss) -> Gradients:
    """Of all parameters, in float64."""
    model.zero_grad(set_to_none=True)
    torch.manual_seed(1)
    loss(model, views).backward()
    return {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}


def photometric(model: DepthPoseModel, views: Views) -> Tensor:
    return model(views, noise_std=0.0).loss


def smooth(model: DepthPoseModel, views: Views) -> Tensor:
    """Mean squares of disparities and motions, the latter at their own size."""
    images = views.color_aug
    motions = (*model.pose(images[:, 1], images[:, 0]), *model.pose(images[:, 0], images[:, 2]))
    return sum(output.square().mean() for output in (*model.depth(images[:, 0]), *(100 * motion for motion in motions)))


LOSSES: dict[str, Loss] = {"photometric": photometric, "smooth": smooth}


def nudged(views: Views, seed: int) -> Views:
    """The networks' images times 1 + NUDGE * a normal number; the loss compares the same images."""
    generator = torch.Generator().manual_seed(seed)
    change = torch.randn(views.color_aug.shape, generator=generator, dtype=torch.float64).to(views.color_aug.device)
    return views._replace(color_aug=(views.color_aug.double() * (1 + NUDGE * change)).float())


def in_double(views: Views) -> Views:
    return Views(
        views.color.double(),
        views.color_aug.double(),
        [level.double() for level in views.pyramid],
        views.K.double(),
        views.stereo_T.double(),
    )


def difference(case: tuple[str, str], what: str, ours: Gradients, reference: Gradients) -> Difference:
    sizes = {name: float(value.abs().max()) for name, value in reference.items()}
    off = {
        name: float((ours[name] - value).abs().max()) / sizes[name] for name, value in reference.items() if sizes[name]
    }
    worst = max(off, key=lambda name: off[name])
    median = sorted(off.values())[len(off) // 2]
    return Difference(*case, what, median, off[worst], worst, sum(value > 0.01 for value in off.values()))


def show(case: Case, config: GradientConfig, found: list[Difference]) -> None:
    table = Table(title=f"{case}, compiled: {' '.join(config.parts)}", title_justify="left")
    for name in ("activation", "loss", "gradients", "median", "worst", "of", "tensors over 1 %"):
        table.add_column(name)
    for row in found:
        cells = (f"{row.median:.1e}", f"{row.worst:.1e}", row.worst_tensor, str(row.over_1_percent))
        table.add_row(row.activation, row.loss, row.what, *cells)
    Console(width=max(160, Console().width), highlight=False).print(table)


def main() -> None:
    cli.run(compare, GradientConfig, "python -m benchmarks.compiled_gradients")


if __name__ == "__main__":
    main()
