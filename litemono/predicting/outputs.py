"""What is written for each frame."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor

from litemono.depth_map import DepthMap, Kind, require_depth
from litemono.predicting.names import DEPTH_PNG, NUMBERS, PICTURE
from litemono.predicting.pipeline import Prediction
from litemono.predicting.settings import PredictConfig
from litemono.utils.atomic_files import replacing


class Depths(Protocol):
    """A network with what its results mean: a TrainedDepth or a refiner."""

    @property
    def kind(self) -> Kind: ...

    def depth_map(self, disparity: Tensor, height: int, width: int) -> DepthMap: ...


class FrameFiles:
    """The files of each frame, in `folder`. Any thread may write."""

    def __init__(self, config: PredictConfig, trained: Depths, folder: Path) -> None:
        """Raises UserError for depth of a network that predicts relative depth."""
        if config.depth_png:
            require_depth(trained.kind, f"--depth_png: {config.load_weights}")
        self.config, self.trained, self.folder = config, trained, folder

    def write(self, prediction: Prediction) -> None:
        """All files of one frame; each is complete or absent."""
        (picture, disparity), config = prediction, self.config
        stem = self.folder / picture.frame.name
        if config.save_npy:
            with replacing(f"{stem}{NUMBERS}") as file:
                np.save(file, disparity[None, None].cpu().numpy(), allow_pickle=False)
        depth = self.trained.depth_map(disparity, *picture.size)
        depth.save(f"{stem}{PICTURE}")
        if config.depth_png:
            depth.save_depth_png(f"{stem}{DEPTH_PNG}", config.depth_factor)

    def notes(self) -> list[str]:
        """What a reader of the files must know."""
        if not self.config.depth_png:
            return []
        unit = "metres" if self.trained.kind == "metric" else "depth in the network's unknown unit"
        return [f"NAME{DEPTH_PNG}: 16 bits, {unit} times {self.config.depth_factor:g}"]
