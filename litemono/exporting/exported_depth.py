"""A file of `litemono export` in the place of a weights folder: what predict, evaluate and the Python API take."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from litemono.depth_map import Kind
from litemono.exporting.onnx_file import OnnxNetwork
from litemono.trained_depth import TrainedDepth
from litemono.utils.errors import require
from networks.depth_net import DepthNet


class ExportedDepth(TrainedDepth):
    """Its `net` is an OnnxNetwork, whose output is disparity already."""

    __slots__ = ()

    @property
    def file(self) -> OnnxNetwork:
        return cast(Any, self.net)

    @property
    def kind(self) -> Kind:
        return cast(Kind, self.file.about.kind)

    @property
    def depth_range(self) -> tuple[float, float] | None:
        about = self.file.about
        scaled = (about.min_depth * about.depth_scale, about.max_depth * about.depth_scale)
        return scaled if about.max_depth else None

    def disparity(self, images: np.ndarray, flip: bool = False) -> Tensor:
        images = np.ascontiguousarray(images[:, :, ::-1]) if flip else images
        return torch.from_numpy(self.file.disparity(images)).to(self.device)

    def disparity_of(self, batch: Tensor) -> Tensor:
        """batch: (B, 3, H, W) in [0, 1]; rounded to 8 bits, which images have."""
        return self.disparity((255 * batch).round().byte().permute(0, 2, 3, 1).cpu().numpy())


def load_exported(
    path: Path, model: str | None, device: torch.device, height: int | None, width: int | None
) -> ExportedDepth:
    """Raises UserError for a file that is absent, damaged, changed or of another program, and for another model or size."""
    network = OnnxNetwork(path)
    about = network.about
    require(model in (None, about.model), f"--model {model}: {path} holds {about.model}; leave the flag out")
    for name, given, fixed in (("height", height, about.height), ("width", width, about.width)):
        require(given in (None, fixed), f"--{name} {given}: {path} computes at {about.width}x{about.height} only")
    return ExportedDepth(cast(DepthNet, network), device, about.min_depth, about.max_depth, {})
