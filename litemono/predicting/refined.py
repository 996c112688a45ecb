"""`litemono predict` with the weights of a refiner: images and the depth that another network gave them -> metres."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from litemono.data.datasets.base import Size
from litemono.data.fit import fit
from litemono.data.mirrored import FROZEN, as_depth, read_map
from litemono.data.stores.arrays import check_size
from litemono.data.stores.images import check_factor
from litemono.depth_map import DepthMap, Kind
from litemono.engine.precision import apply_precision
from litemono.predicting.frames import Frame, Source
from litemono.predicting.images import Images
from litemono.predicting.outputs import FrameFiles
from litemono.predicting.pipeline import Picture, Prediction
from litemono.predicting.settings import PredictConfig
from litemono.trained_depth import at_image_size, require_finite
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError, require
from litemono.utils.parallel import ordered_map
from litemono.utils.progress import track
from networks.refiner_weights import load_refiner


class RefinedDepth:
    """A refiner in eval mode, with what FrameFiles asks a network for."""

    kind: Kind = "metric"

    def __init__(self, config: PredictConfig) -> None:
        apply_precision("fp32")
        self.device = choose_device(config.device)
        self.net = load_refiner(config.load_weights).to(self.device).eval()
        assert config.frozen_depth is not None
        self.frozen, self.factor = config.frozen_depth, config.frozen_factor

    def depth_map(self, disparity: Tensor, height: int, width: int) -> DepthMap:
        return DepthMap(at_image_size(disparity, height, width), "metric", None)

    def given(self, frame: Frame, size: Size) -> np.ndarray:
        """(h, w) float32 frozen depth of an image, at its size."""
        stem = self.frozen / frame.name
        places = [stem.with_name(stem.name + suffix) for suffix in FROZEN.suffixes]
        path = next((place for place in places if place.exists()), None)
        if path is None:
            raise UserError(f"{frame.name}: no {FROZEN.what}; none of {', '.join(map(str, places))} is there")
        check_factor(path, self.factor, "frozen_factor")
        values = as_depth(read_map(path, FROZEN, size), self.factor, path)
        check_size(values, size, path, FROZEN.what)
        return values

    @torch.inference_mode()
    def predict(self, frame: Frame) -> Prediction:
        """Inverse depth, 1/metres, at the network's size."""
        image = frame.read()
        size = image.height, image.width
        window = fit("stretch", size, (self.net.height, self.net.width))
        pixels = window.image(image)
        batch = torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1)[None].float() / 255
        given = torch.from_numpy(window.depth(self.given(frame, size))).to(self.device)
        return Prediction(Picture(frame, size, pixels, image), 1 / self.net(batch, given[None, None])[0, 0])


def run_refined(config: PredictConfig, source: Source) -> None:
    """Refine the depth of each image and write its results; UserError for an image or map that cannot be read."""
    require(
        config.frozen_depth is not None,
        f"--load_weights {config.load_weights}: a refiner needs the depth that another network gave the images; give "
        "--frozen_depth",
    )
    require(
        isinstance(source, Images) and config.video in (None, "none") and not config.smooth,
        f"--load_weights {config.load_weights}: a refiner needs the depth of each image by its name, so it takes images alone, "
        "without --video and --smooth",
    )
    for name in ("height", "width", "model", "metric_head", "batch_size"):
        require(getattr(config, name) is None, f"--{name}: a refiner has its own; leave it out")
    require(config.backend in ("auto", "torch"), f"--backend {config.backend}: a refiner runs in torch; leave it out")
    trained = RefinedDepth(config)
    folder: Path = config.output or source.folder
    files = FrameFiles(config, trained, folder, film="none")

    def predictions() -> Iterator[Prediction]:
        for frame in islice(source.frames(0), config.max_frames):
            prediction = trained.predict(frame)
            require_finite(prediction.disparity, f"--load_weights {config.load_weights}")
            yield prediction

    with ThreadPoolExecutor(config.num_workers) as threads:
        writing = ordered_map(threads, files.write, predictions(), config.num_workers)
        total = min(len(source.files), config.max_frames or len(source.files))
        written = sum(1 for _ in track(writing, total, "depth pictures"))
    print(f"{written} depth picture{'s' * (written > 1)} in {folder}")
    for note in files.notes():
        print(note)
