"""--compile_parts decoder, encoder, pose: parts of the networks as compiled code, each checked before use.

A whole network takes minutes to compile. Its parts take seconds each, and blocks of the same shape share what was compiled:
of Lite-Mono's blocks what all of a width have in common, without the dilation and the rate of drop path. A part runs compiled in
training only: validation has batches of other sizes. The modules stay what they are, with their names in weight files; their
plain code is the twin that outputs and gradients are compared with at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from litemono.engine.precision import HALF, autocast
from litemono.engine.settings import Precision
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.utils.compiling import compiler_errors, prepare_torch
from litemono.utils.errors import UserError

Forward = Callable[..., Any]
Context = Callable[[], AbstractContextManager[None]]


class Tolerance(NamedTuple):
    """Norm of the difference, in terms of the norm of the plain code's tensor.

    Wrong code, as torch 2.7.1 makes of some losses, is off by all of it. Rounding differs in the last bits. That is all for
    outputs; but where it moves an activation across a ReLU's zero, the gradient of that element is there or not.
    """

    outputs: float
    gradients: float


IN_FULL, IN_HALF = Tolerance(1e-3, 5e-2), Tolerance(5e-2, 0.3)


class Region(NamedTuple):
    """What is compiled: a method of a module."""

    module: nn.Module
    method: str = "forward"


def parts_of(model: DepthPoseModel) -> dict[str, list[Region]]:
    """What can be compiled of the networks, by the name of the part."""
    encoder: Any = model.depth.encoder  # torch gives its modules no types
    pose = [] if model.pose is None else [getattr(model.pose.encoder.encoder, f"layer{i}") for i in range(1, 5)]
    return {
        "decoder": [Region(model.depth.decoder)],
        "encoder": [Region(block, "residual") for stage in encoder.stages for block in stage],
        "pose": [Region(block) for layer in pose for block in layer],
    }


def compile_networks(
    model: DepthPoseModel, parts: Collection[str], images: Tensor, precision: Precision, device: torch.device
) -> None:
    """Compile these parts for images (B, 3, H, W) in place; UserError where that fails or a part computes something else.

    precision: that training runs the networks in.
    """
    in_precision = partial(autocast, precision, device)
    tolerance = IN_HALF if precision in HALF else IN_FULL
    regions = [region for name, found in parts_of(model).items() if name in parts for region in found]
    if not regions:
        return
    prepare_torch()
    with unchanged_state(model, device):
        with in_precision(), torch.no_grad():
            inputs = inputs_of(regions, lambda: run_networks(model, images))
        for region in regions:
            module, plain = region.module, getattr(*region)
            fast = torch.compile(plain, dynamic=False)
            with compiler_errors():
                ours = outputs_and_gradients(fast, module, inputs[region], in_precision)
            if not close(ours, outputs_and_gradients(plain, module, inputs[region], in_precision), tolerance):
                raise UserError(
                    f"--compile: {type(module).__name__}, compiled, computes something else than its plain code on this machine; "
                    "leave its part out of --compile_parts"
                )
            setattr(module, region.method, in_training(module, fast, plain))


def in_training(module: nn.Module, fast: Forward, plain: Forward) -> Forward:
    """`fast` while the module is in training mode, else `plain`."""

    def forward(*inputs: Any) -> Any:
        return (fast if module.training else plain)(*inputs)

    return forward


def run_networks(model: DepthPoseModel, images: Tensor) -> None:
    model.depth(images)
    if model.pose is not None:
        model.pose(images, images.flip(-1))


@contextmanager
def unchanged_state(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Whatever runs inside leaves BatchNorm's running statistics, gradients and the random state as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)
            model.zero_grad(set_to_none=True)


def inputs_of(regions: list[Region], run: Callable[[], None]) -> dict[Region, tuple[Any, ...]]:
    """What each of them is called with in `run`, the first time."""
    found: dict[Region, tuple[Any, ...]] = {}

    def noting(region: Region, plain: Forward) -> Forward:
        def forward(*inputs: Any) -> Any:
            found.setdefault(region, inputs)
            return plain(*inputs)

        return forward

    for region in regions:
        setattr(region.module, region.method, noting(region, getattr(*region)))
    run()
    for region in regions:
        delattr(*region)
    return found


def outputs_and_gradients(
    forward: Forward, module: nn.Module, inputs: tuple[Any, ...], context: Context
) -> tuple[list[Tensor], list[Tensor]]:
    """What forward(*inputs) returns, and the gradients of its inputs and of the module's parameters, with a fixed seed."""
    torch.manual_seed(0)
    module.zero_grad(set_to_none=True)
    leaves = [tensor.detach().clone().requires_grad_() for tensor in flat(inputs)]
    with context():
        outputs = flat(forward(*(unflat(inputs, iter(leaves)))))
    generator = torch.Generator(outputs[0].device).manual_seed(1)
    weights = [torch.randn(output.shape, device=output.device, generator=generator) for output in outputs]
    sum((output.float() * weight).sum() for output, weight in zip(outputs, weights, strict=True)).backward()  # type: ignore[union-attr]
    gradients = [leaf.grad for leaf in (*leaves, *module.parameters()) if leaf.grad is not None]
    return [output.detach() for output in outputs], [gradient.clone() for gradient in gradients]


def flat(value: Any) -> list[Tensor]:
    """The tensors in nested lists and tuples."""
    return [value] if isinstance(value, Tensor) else [tensor for item in value for tensor in flat(item)]


def unflat(like: Any, tensors: Iterator[Tensor]) -> Any:
    """`tensors` in the lists and tuples of `like`."""
    return next(tensors) if isinstance(like, Tensor) else type(like)(unflat(item, tensors) for item in like)


def close(
    ours: tuple[list[Tensor], list[Tensor]], plain: tuple[list[Tensor], list[Tensor]], tolerance: Tolerance
) -> bool:
    """Whether outputs and gradients agree. A tensor that is zero but for rounding is measured by the largest of its kind."""
    for mine, theirs, most in zip(ours, plain, tolerance, strict=True):
        norms = [float(tensor.float().norm()) for tensor in theirs]
        least = 1e-6 * max(norms)
        for one, other, norm in zip(mine, theirs, norms, strict=True):
            if not float((one.float() - other.float()).norm()) <= most * max(norm, least):
                return False
    return True
