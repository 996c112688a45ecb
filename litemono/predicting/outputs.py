"""What is written for each frame."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from litemono.depth_map import DepthMap, Kind, require_depth
from litemono.predicting.names import DEPTH_PNG, NUMBERS, PICTURE, POINTS
from litemono.predicting.pipeline import Look, Prediction
from litemono.predicting.points import write_ply
from litemono.predicting.settings import PredictConfig, camera
from litemono.utils.atomic_files import replacing
from litemono.utils.errors import UserError


@dataclass(frozen=True)
class Done:
    """A frame whose files are written."""

    index: int
    seconds: float | None
    picture: Image.Image | None
    """Of a film."""
    look: Look | None


class Depths(Protocol):
    """A network with what its results mean: a TrainedDepth or a refiner."""

    @property
    def kind(self) -> Kind: ...

    def depth_map(self, disparity: Tensor, height: int, width: int) -> DepthMap: ...


class FrameFiles:
    """The files of each frame, in `folder`. Any thread may write."""

    def __init__(self, config: PredictConfig, trained: Depths, folder: Path, film: str) -> None:
        """film: none, depth or side-by-side. Raises UserError for depth of a network that predicts relative depth, and for a
        folder that cannot be written."""
        for flag in ("depth_png", "ply"):
            if getattr(config, flag):
                require_depth(trained.kind, f"--{flag}: {config.load_weights}")
        require_writable(folder)
        self.config, self.trained, self.folder, self.film = config, trained, folder, film
        self.intrinsics = camera(config.intrinsics) if config.intrinsics else None
        self.unit = "metres" if trained.kind == "metric" else "the network's unknown unit"

    @property
    def needs_originals(self) -> bool:
        return self.intrinsics is not None or self.film == "side-by-side"

    def write(self, prediction: Prediction) -> Done:
        """All files of one frame; each is complete or absent."""
        (picture, disparity, look), config = prediction, self.config
        stem = self.folder / picture.frame.name
        if config.save_npy:
            with replacing(f"{stem}{NUMBERS}") as file:
                np.save(file, disparity[None, None].cpu().numpy(), allow_pickle=False)
        depth = self.trained.depth_map(disparity, *picture.size)
        if config.depth_png:
            depth.save_depth_png(f"{stem}{DEPTH_PNG}", config.depth_factor)
        if self.intrinsics is not None and picture.original is not None:
            write_ply(Path(f"{stem}{POINTS}"), depth.depth, picture.original, self.intrinsics, self.unit)
        coloured = depth.coloured(look and look.limits)
        if self.film == "none":
            with replacing(f"{stem}{PICTURE}") as file:
                coloured.save(file, format="JPEG")
        shown = self._of_film(coloured, picture.original)
        return Done(picture.frame.index, picture.frame.seconds, shown, look)

    def _of_film(self, coloured: Image.Image, original: Image.Image | None) -> Image.Image | None:
        if self.film == "none":
            return None
        if self.film == "depth" or original is None:
            return coloured
        both = Image.new("RGB", (2 * coloured.width, coloured.height))
        both.paste(original, (0, 0))
        both.paste(coloured, (coloured.width, 0))
        return both

    def notes(self) -> list[str]:
        """What a reader of the files must know."""
        found = []
        if self.config.depth_png:
            found.append(f"NAME{DEPTH_PNG}: 16 bits, depth in {self.unit} times {self.config.depth_factor:g}")
        if self.intrinsics is not None:
            found.append(f"NAME{POINTS}: x right, y down, z forward, in {self.unit}")
        return found


def require_writable(folder: Path) -> None:
    """UserError where no file can be made in `folder`, which need not exist; before any work is done."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        reason = "no permission" if place.is_dir() else f"{place} is a file"
        raise UserError(f"{folder}: cannot be written ({reason}); choose another --output")
