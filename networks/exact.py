"""The few layers that half precision would spoil, however fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


def exactly(layer: Callable[[Tensor], Result], x: Tensor) -> Result:
    """layer(x) in at least float32 (on newer GPUs with TF32 products), also where autocast runs the networks in half precision.

    For what leaves a network: bfloat16's 8 bits would move a disparity by 1 %, and with it every pixel that is warped.
    """
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.to(torch.promote_types(x.dtype, torch.float32)))
