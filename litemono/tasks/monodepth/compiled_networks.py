"""--compile_parts decoder, encoder, pose: parts of the networks as compiled code, each checked before use.

A whole network takes minutes to compile. Its parts take seconds each, and blocks of the same shape share what was compiled. A
part runs compiled in training only: validation has batches of other sizes. The modules stay what they are, with their
names in weight files; their plain forward pass is the twin that outputs and gradients are compared with at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from litemono.engine.precision import HALF, autocast
from litemono.engine.settings import Precision
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.utils.compiling import compiler_errors, prepare_torch
from litemono.utils.errors import UserError

Forward = Callable[..., Any]
Context = Callable[[], AbstractContextManager[None]]
# Of the largest value. Rounding differs in the last bits; wrong code, as torch 2.7.1 makes of some losses, by all of it.
TOLERANCE, TOLERANCE_IN_HALF = 2e-3, 0.1


def parts_of(model: DepthPoseModel) -> dict[str, list[nn.Module]]:
    """Modules of the networks that can be compiled, by the name of the part."""
    encoder: Any = model.depth.encoder  # torch gives its modules no types
    pose = [] if model.pose is None else [getattr(model.pose.encoder.encoder, f"layer{i}") for i in range(1, 5)]
    return {
        "decoder": [model.depth.decoder],
        "encoder": [block for stage in encoder.stages for block in stage],
        "pose": [block for layer in pose for block in layer],
    }


def compile_networks(
    model: DepthPoseModel, parts: Collection[str], images: Tensor, precision: Precision, device: torch.device
) -> None:
    """Compile these parts for images (B, 3, H, W) in place; UserError where that fails or a part computes something else.

    precision: that training runs the networks in.
    """
    in_precision = partial(autocast, precision, device)
    tolerance = TOLERANCE_IN_HALF if precision in HALF else TOLERANCE
    modules = [module for name, found in parts_of(model).items() if name in parts for module in found]
    if not modules:
        return
    prepare_torch()
    with unchanged_statistics(model):
        with in_precision(), torch.no_grad():
            inputs = inputs_of(modules, lambda: run_networks(model, images))
        for module in modules:
            plain, fast = module.forward, torch.compile(module.forward, dynamic=False)
            with compiler_errors():
                ours = outputs_and_gradients(fast, module, inputs[module], in_precision)
            if not close(ours, outputs_and_gradients(plain, module, inputs[module], in_precision), tolerance):
                raise UserError(
                    f"--compile: {type(module).__name__}, compiled, computes something else than its plain code on this machine; "
                    "leave its part out of --compile_parts"
                )
            module.forward = in_training(module, fast, plain)  # type: ignore[method-assign]


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
def unchanged_statistics(model: nn.Module) -> Iterator[None]:
    """Whatever runs inside leaves BatchNorm's running statistics, gradients and the random state as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)
        for buffer, before in buffers:
            buffer.copy_(before)
        model.zero_grad(set_to_none=True)


def inputs_of(modules: list[nn.Module], run: Callable[[], None]) -> dict[nn.Module, tuple[Any, ...]]:
    """What each of the modules is called with in `run`, the first time."""
    found: dict[nn.Module, tuple[Any, ...]] = {}
    hooks = [
        module.register_forward_pre_hook(lambda m, inputs: found.setdefault(m, inputs) and None) for module in modules
    ]
    run()
    for hook in hooks:
        hook.remove()
    return found


def outputs_and_gradients(
    forward: Forward, module: nn.Module, inputs: tuple[Any, ...], context: Context
) -> list[Tensor]:
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
    return [tensor.detach().float().clone() for tensor in (*outputs, *gradients)]


def flat(value: Any) -> list[Tensor]:
    """The tensors in nested lists and tuples."""
    return [value] if isinstance(value, Tensor) else [tensor for item in value for tensor in flat(item)]


def unflat(like: Any, tensors: Iterator[Tensor]) -> Any:
    """`tensors` in the lists and tuples of `like`."""
    return next(tensors) if isinstance(like, Tensor) else type(like)(unflat(item, tensors) for item in like)


def close(ours: list[Tensor], plain: list[Tensor], tolerance: float) -> bool:
    """Whether they differ by no more than `tolerance` of the largest value of each tensor."""
    pairs = zip(ours, plain, strict=True)
    return all((one - other).abs().max() <= tolerance * other.abs().max() for one, other in pairs)
