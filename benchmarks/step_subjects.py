"""What is timed: the published training step and ours in each precision, whole and in parts, on the same batch."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import cast, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import networks
from benchmarks.published_step import (
    PublishedModel,
    pixel_grid,
    published_optimizers,
    published_step,
    use_torch_defaults,
)
from litemono.data.augment import Views, prepare
from litemono.data.batch import Batch
from litemono.data.kitti.calibration import PUBLISHED_INTRINSICS
from litemono.data.settings import DataConfig
from litemono.data.triplets import JITTER_HIGH, JITTER_LOW, NO_JITTER
from litemono.engine.grad_guard import GradGuard
from litemono.engine.graphed_step import WARM_UP, CudaGraphs, GraphedStep, optimizer_settings
from litemono.engine.precision import apply_precision, autocast
from litemono.engine.settings import OptimConfig, Precision
from litemono.engine.step import Numbers, TaskModule, train_step, update
from litemono.engine.training import adamw
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.tasks.monodepth.settings import CompiledPart, LossConfig, ModelConfig, TrainConfig
from litemono.tasks.monodepth.task import Monodepth

PUBLISHED = "published"
# In the names of subjects of ours that train with --compile and --cuda_graph.
COMPILED, GRAPHED = " compiled", " graphed"
WHOLLY = " wholly"  # all parts that --compile_parts has
# A whole step, then its parts on their own.
STEP, NETWORKS = "step", "networks"
PARTS = (NETWORKS, "loss", "optimiser", "data")  # data: flip, jitter and pyramid on the device
SETTLING_STEPS = 20  # enough for a loss scale that starts at 2^16 to fall to where nothing overflows


@dataclass(frozen=True)
class Case:
    model: str
    width: int
    height: int
    batch: int

    def __str__(self) -> str:
        return f"{self.model} {self.width}x{self.height} batch {self.batch}"


class Inputs:
    """What all subjects of a case are given."""

    def __init__(self, case: Case, device: torch.device):
        self.case, self.device = case, device
        self.batch = synthetic_batch(case, device)
        self.settings = TrainConfig(
            data=DataConfig(data_path=Path()),
            model=ModelConfig(model=case.model, height=case.height, width=case.width, weights_init="scratch"),
            optim=OptimConfig(batch_size=case.batch),
        )

    @cached_property
    def views(self) -> Views:
        return self.prepared()

    def prepared(self) -> Views:
        return prepare(self.batch, self.device, self.settings.loss.scales, all_frames=False)


Work = Callable[[], object]


@dataclass(frozen=True)
class Subject:
    enter: Work
    """Sets torch's global switches as this subject trains; to be called before its work."""
    step: Work
    """One training step."""
    make_parts: Callable[[], dict[str, Work]]
    """PARTS of a step, each on its own; they hold memory that a step does without."""
    parameters: list[Tensor]
    recorded: bool = False
    """The step is replayed; autograd is not asked."""


def build(name: str, inputs: Inputs) -> Subject:
    """The subject `name`, PUBLISHED or a precision (COMPILED, GRAPHED or not), settled: its next step is a normal one."""
    torch.manual_seed(0)
    return published(inputs) if name == PUBLISHED else ours(inputs, name)


def precision_of(name: str) -> Precision:
    return cast(Precision, name.split()[0])


def published(inputs: Inputs) -> Subject:
    case, device = inputs.case, inputs.device
    grid = pixel_grid(case.batch, case.height, case.width, device)
    nets = Monodepth(inputs.settings).build(torch.device("cpu"), "fp32")
    model = PublishedModel(nets.depth, nets.pose, grid).to(device).train()
    optimizers = published_optimizers(model)
    freeze(optimizers)

    def step() -> float:
        return published_step(model, optimizers, inputs.batch, device)

    def make_parts() -> dict[str, Work]:
        views = inputs.views
        given = with_known_networks(model, lambda: model(views))

        def networks_alone() -> None:
            model.zero_grad()
            network_outputs(model, views.color_aug).backward()

        def update_all() -> None:
            for optimizer in optimizers:
                optimizer.step()

        return parts(networks_alone, lambda: given(views).backward(), update_all, inputs)

    use_torch_defaults()
    step()
    return Subject(use_torch_defaults, step, make_parts, list(model.parameters()))


def task_and_model(inputs: Inputs, name: str) -> tuple[Monodepth, DepthPoseModel]:
    """Ours, compiled where the name says so."""
    loss = LossConfig(compile_parts=get_args(CompiledPart)) if WHOLLY in name else LossConfig()
    task = Monodepth(replace(inputs.settings, loss=loss))
    model = task.build(inputs.device, precision_of(name))
    if COMPILED in name:  # accelerate() would keep the code in a run folder
        task.compile(model, inputs.device, precision_of(name))
    return task, model


def ours(inputs: Inputs, name: str) -> Subject:
    precision, graphed, device = precision_of(name), GRAPHED in name, inputs.device
    enter = partial(apply_precision, precision)
    task, model = task_and_model(inputs, name)
    module = TaskModule(task, model)
    recorded = optimizer_settings(device) if graphed else {}
    optimizers = [adamw(group, recorded) for group in task.parameter_groups(model)]
    freeze(optimizers)
    guard = GradGuard(device, precision)
    spike_factor = inputs.settings.optim.spike_factor
    options = {"device": device, "precision": precision, "accumulate": 1, "spike_factor": spike_factor}
    take_step = partial(train_step, module, optimizers, guard=guard, **options)
    if graphed:
        take_step = GraphedStep(take_step, guard, device, CudaGraphs(device))

    def step() -> Tensor:
        return take_step(inputs.batch).numbers

    def make_parts() -> dict[str, Work]:
        views = inputs.views
        allowed = torch.zeros((), dtype=torch.bool, device=device)

        def forward() -> Tensor:
            with autocast(precision, device):
                return model(views).loss

        given = with_known_networks(model, forward)

        def networks_alone() -> None:
            model.zero_grad()
            with autocast(precision, device):
                outputs = network_outputs(model, views.color_aug)
            (outputs * guard.loss_scale).backward()

        def loss_alone() -> None:
            (given(views).loss * guard.loss_scale).backward()

        def update_all() -> None:
            for optimizer in optimizers:
                update(optimizer, guard.loss_scale if guard.scaling else None, allowed)

        return parts(networks_alone, loss_alone, update_all, inputs)

    enter()
    for number in range(SETTLING_STEPS):
        settled = not Numbers.read(step().tolist()).skipped_now
        if settled and (number > WARM_UP or not graphed):
            return Subject(enter, step, make_parts, list(model.parameters()), graphed)
    raise RuntimeError(f"{precision}: {SETTLING_STEPS} steps in a row overflowed; their times would mean nothing")


def parts(networks_alone: Work, loss_alone: Work, update_all: Work, inputs: Inputs) -> dict[str, Work]:
    return dict(zip(PARTS, (networks_alone, loss_alone, update_all, inputs.prepared), strict=True))


# ---------------------------------------------------------------- parts


def freeze(optimizers: list[torch.optim.Optimizer]) -> None:
    """Updates do all their work and change nothing, so the thousandth step on one batch is like the first."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] *= 0.0


def network_outputs(model: nn.Module, images: Tensor) -> Tensor:
    """Depth network and two pose passes on (B, 3, 3, H, W), with the least that makes a loss of what they return."""
    disps = model.depth(images[:, 0])
    motions = model.pose(images[:, 1], images[:, 0]) + model.pose(images[:, 0], images[:, 2])
    return sum(output.float().mean() for output in (*disps, *motions))


class Replay(nn.Module):
    """Stands for a network: returns in turn what the network returned, as leaves that collect gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[list[Tensor] | tuple[Tensor, ...]] = []
        self.turns = itertools.cycle(self.outputs)

    def record(self, network: nn.Module, inputs: tuple[Tensor, ...], output: list[Tensor] | tuple[Tensor, ...]) -> None:
        self.outputs.append(type(output)(tensor.detach().clone().requires_grad_() for tensor in output))

    def forward(self, *images: Tensor) -> list[Tensor] | tuple[Tensor, ...]:
        return next(self.turns)


def with_known_networks(model: nn.Module, forward: Callable[[], Tensor]) -> nn.Module:
    """`model` as it is configured, whose networks return at once what they returned in one `forward()` of it."""
    nets = {"depth": model.depth, "pose": model.pose}
    stands = {name: Replay() for name in nets}
    hooks = [net.register_forward_hook(stands[name].record) for name, net in nets.items()]
    forward()
    for hook in hooks:
        hook.remove()
    known = copy.copy(model)
    known._modules = {**model._modules, **stands}
    return known


def synthetic_batch(case: Case, device: torch.device) -> Batch:
    """Smooth random images that move sideways; frames on `device` and the rest on the host, as the loader leaves them.

    Every other sample is flipped and jittered, as often as in training; a batch of one is.
    """
    generator = torch.Generator().manual_seed(0)
    count, height, width = case.batch, case.height, case.width
    coarse = torch.rand(count, 3, height // 8, width // 8 + 2, generator=generator)
    wide = F.interpolate(coarse, (height, width + 16), mode="bicubic").clamp(0, 1).mul(255).byte()
    frames = torch.stack([wide[..., at : at + width] for at in (8, 5, 11)], dim=1)  # t, t-1, t+1
    changed = torch.arange(count) % 2 == 0
    draw = np.random.default_rng(0)
    jitter = np.where(changed[:, None, None], draw.uniform(JITTER_LOW, JITTER_HIGH, (count, 3, 4)), NO_JITTER)
    order = draw.permuted(np.tile(np.arange(4), (count, 3, 1)), axis=-1)
    batch = Batch(
        frames=frames,
        intrinsics=torch.tensor(PUBLISHED_INTRINSICS).repeat(count, 1),
        flip=changed,
        jitter=torch.from_numpy(jitter).float(),
        jitter_order=torch.from_numpy(order),
        baseline=torch.zeros(count),
        depth=torch.empty(count, 0, 0),
        line=torch.arange(count),
    )
    if device.type == "cuda":
        batch = Batch(*(tensor.pin_memory() for tensor in batch))
    return batch.on(device)


# ---------------------------------------------------------------- arithmetic


@cache
def forward_macs(model: str, width: int, height: int) -> int:
    """Multiply-adds of the networks' forward pass (depth, and two of pose) for one sample, by torch's own counter."""
    depth, pose = networks.create(model, height=height, width=width), networks.create_pose()
    image = torch.zeros(1, 3, height, width)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        depth(image)
        for _ in range(2):
            pose(image, image)
    return counter.get_total_flops() // 2
