"""Layers and input scaling that several networks share.

Two of them differ between training and inference: `GeluLinear` saves memory in training mode, `full_precision` acts under
autocast. In eval mode without autocast both are plain torch calls, so a network can be cast, traced, exported and compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.registry import Normalisation

Result = TypeVar("Result")


def normalise(image: Tensor, by: Normalisation) -> Tensor:
    """(B, C, H, W) in [0, 1] -> (image - mean) / std."""
    if isinstance(by.mean, float) and isinstance(by.std, float):
        return (image - by.mean) / by.std
    # Numbers instead of tensors: a tensor would have to be copied to the image's device in every pass.
    means, stds = _per_channel(by.mean), _per_channel(by.std)
    channels = zip(image.unbind(1), means, stds, strict=True)
    return torch.stack([(channel - mean) / std for channel, mean, std in channels], dim=1)


def _per_channel(value: float | tuple[float, float, float]) -> tuple[float, float, float]:
    return (value, value, value) if isinstance(value, float) else value


def full_precision(layer: Callable[[Tensor], Result], x: Tensor) -> Result:
    """layer(x), in float32 where autocast runs the rest of the network in half precision (TF32 products stay allowed).

    For the outputs of a network: bfloat16's 8 bits would move a disparity by 1 %, and with it every pixel that is warped.
    """
    if x.is_meta or not torch.is_autocast_enabled(x.device.type):  # the meta device has no autocast
        return layer(x)
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.to(torch.promote_types(x.dtype, torch.float32)))


def without_autocast(x: Tensor) -> AbstractContextManager:
    """A context in which nothing that is computed with x is brought to half precision."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def unflatten(x: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """x.unflatten(dim, sizes) for dim >= 0, in an operator that ONNX has before opset 13."""
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


class GeluLinear(nn.Linear):
    """Linear layer of GELU(x), (..., C) -> (..., D); in training mode in the number format of x.

    GELU's output is what the layer's weight gradient needs, GELU's input what its own gradient needs. In training mode the
    output is computed again in the backward pass instead of stored: in half precision that is a seventh of all that a
    training step stores, for one more reading of x. The gradients are autograd's.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(F.gelu(x))
        return _GeluLinear.apply(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class _GeluLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return F.linear(F.gelu(x), weight, bias)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        rows = grad.flatten(0, -2)
        by_weight = rows.T @ F.gelu(x).flatten(0, -2)
        return torch.ops.aten.gelu_backward(grad @ weight, x), by_weight, rows.sum(0)
