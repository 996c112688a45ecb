"""Which number format the networks compute in; geometry, SSIM and the loss are float32 always ."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import get_args

import torch
from torch import nn

from litemono.engine.settings import Precision
from litemono.utils.errors import UserError

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
HALF = {"fp16": torch.float16, "bf16": torch.bfloat16}

# Instructions for products in half precision, by their names in /proc/cpuinfo. Without them oneDNN converts back and forth:
# on a processor with AVX2 alone a bf16 step took more than ten times as long as one in fp32.
CPU_UNITS = {"bf16": ("avx512_bf16", "amx_bf16", "bf16"), "fp16": ("avx512_fp16", "amx_fp16", "fphp")}

# Compute capabilities of NVIDIA GPUs: tensor cores for fp16 came with Volta, for bf16 and TF32 with Ampere.
VOLTA, AMPERE = (7, 0), (8, 0)


def choose_precision(name: Precision | None, device: torch.device) -> Precision:
    """`name`, or what suits the device; UserError where the device would refuse it, ignore it or only imitate it."""
    if device.type == "cpu":
        if name == "tf32":
            raise UserError("--precision tf32 is a mode of NVIDIA GPUs; on a CPU use fp32 (or bf16)")
        return name or "fp32"
    capability = torch.cuda.get_device_capability(device)
    if name in ("tf32", "bf16") and capability < AMPERE:
        raise UserError(
            f"--precision {name}: {torch.cuda.get_device_name(device)} has no {name} units (they came with Ampere); "
            "use fp16"
        )
    return name or ("bf16" if capability >= AMPERE else "fp16" if capability >= VOLTA else "fp32")


def slow_precision(precision: Precision, device: torch.device, features: Sequence[str]) -> str | None:
    """A sentence where the processor has no instructions for this format. features: of utils.device.cpu_features()."""
    if device.type != "cpu" or precision not in HALF or not features or set(features) & set(CPU_UNITS[precision]):
        return None
    return (
        f"--precision {precision}: this processor has no instructions for it ({' or '.join(CPU_UNITS[precision])}) and is "
        "more than ten times slower than with --precision fp32"
    )


def apply_precision(precision: Precision) -> None:
    """TF32 for what is left in float32 on a GPU, except where fp32 was asked for: then all 23 bits, as the name says."""
    torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
    torch.backends.cudnn.allow_tf32 = precision != "fp32"


def to_channels_last(net: nn.Module) -> None:
    """Lay out 4-D convolution weights with channels last, in place."""
    for weight in net.parameters():
        # With one input channel or one pixel both orders are the same in memory, and torch is not sure of their name.
        if weight.dim() == 4 and weight.shape[1] > 1 and weight.shape[2:].numel() > 1:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Convolutions and matrix products in half precision, for fp16 and bf16; otherwise nothing."""
    half = HALF.get(precision)
    return torch.autocast(device.type, half or torch.get_default_dtype(), enabled=half is not None)
