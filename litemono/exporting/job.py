"""What all steps of an export share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from litemono.exporting.frames import Frames
from litemono.exporting.fused import FusedDepth
from litemono.exporting.onnx_file import About
from litemono.exporting.settings import ExportConfig

Runner = Callable[[np.ndarray], np.ndarray]
"""(B, H, W, 3) uint8 -> (B, H, W): the written file at work."""


class Job(NamedTuple):
    """One export."""

    config: ExportConfig
    fused: FusedDepth
    about: About
    frames: Frames
    """Real ones; there may be none."""

    def as_input(self, images: np.ndarray) -> Tensor:
        """(B, H, W, 3) uint8 -> the network's input."""
        tensor = torch.from_numpy(np.ascontiguousarray(images))
        return tensor if self.config.input == "uint8" else tensor.permute(0, 3, 1, 2).contiguous().float() / 255

    def example(self) -> Tensor:
        """An input to trace the network with."""
        shape = (self.config.batch or 2, self.fused.net.height, self.fused.net.width, 3)
        return self.as_input(np.full(shape, 100, np.uint8))
