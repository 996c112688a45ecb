"""The second half of a bottleneck, which keeps one map for the backward pass where autograd would keep two."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GeluLinear(nn.Linear):
    """Linear layer of GELU(x), (..., C) -> (..., D), in the number format of x.

    GELU's output is what the layer's weight gradient needs, GELU's input what its own gradient needs. The output is
    computed again in the backward pass instead of kept: in half precision a seventh of all that a training step keeps,
    for one more reading of x. The gradients are autograd's.
    """

    def forward(self, x: Tensor) -> Tensor:
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
