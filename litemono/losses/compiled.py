"""--compile_parts loss: the photometric error and its gradient as fused kernels, checked against the plain ones before use.

Two pure functions are compiled. Where autograd goes through a compiled loss, torch 2.7.1 on a CPU returns wrong gradients
for the coarser scales (upsampling meets smoothness).
"""

from __future__ import annotations

import torch
from torch import Tensor

from litemono.losses import photometric_fused
from litemono.losses.photometric_fused import EAGER, Kernels
from litemono.utils.compiling import compiler_errors
from litemono.utils.errors import UserError

TOLERANCE = 1e-4  # of the largest value; float32 in another order of operations differs by 1e-6


def fused_kernels(shape: tuple[int, int, int, int, int], device: torch.device) -> Kernels:
    """EAGER, compiled for candidates of `shape` (B, S, 3, H, W) on `device`; UserError where that fails or is wrong.

    The first compilation takes some twenty seconds; torch keeps the result on disk for the next start.
    """
    compiled = Kernels(*(torch.compile(function, dynamic=False) for function in EAGER))
    generator = torch.Generator().manual_seed(0)
    candidates, image, grad = (
        torch.rand(size, generator=generator).to(device)
        for size in (shape, (shape[0], *shape[2:]), (*shape[:2], *shape[3:]))
    )
    with compiler_errors():
        results = as_in_training(compiled, candidates, image, grad)
    expected = as_in_training(EAGER, candidates, image, grad)
    for ours, plain in zip(results, expected, strict=True):
        if not (ours - plain).abs().max() <= TOLERANCE * plain.abs().max():
            raise UserError("--compile: the compiled loss differs from the plain one on this machine; leave it out")
    return compiled


def as_in_training(kernels: Kernels, candidates: Tensor, image: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Errors of views as they are and of warped ones, and the latter's gradient, through the very calls of a step.

    torch compiles anew for what needs a gradient and what does not.
    """
    reference = photometric_fused.target(image)
    identity = photometric_fused.photometric_error(candidates, reference, kernels)
    warped = candidates.clone().requires_grad_()
    reprojected = photometric_fused.photometric_error(warped, reference, kernels)
    reprojected.backward(grad)
    assert warped.grad is not None
    return identity, reprojected.detach(), warped.grad
