"""A trained network as a source of predictions: what its run says about its data, and its disparities in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from litemono.data.datasets import registry
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.settings import DataConfig
from litemono.data.splits import SplitLine
from litemono.data.stores.base import SizedStore
from litemono.data.stores.folder import FolderStore, ResizedStore, open_originals, open_store, resized
from litemono.inference import TrainedDepth, load_trained, run_settings
from litemono.metrics import NINE
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError, require
from networks.metric_head import metric_head
from networks.weights import stored_size

from ..protocol import Protocol, changed
from ..scoring.alignment import PredictionKind
from ..scoring.image_set import Job, Predictions
from ..scoring.placing import of_kb_image, of_whole_image
from ..settings import EvaluateConfig, NetworkConfig, is_given
from ..windows import kb_crop
from . import predictions
from .sequences import Mapped


def with_data_of_run(config: EvaluateConfig, weights: Path) -> EvaluateConfig:
    """--data_path, and --png with it, as training had them, where the flags do not say."""
    if config.network.data_path is not None:
        return config
    data = run_settings(weights).get("data", {})
    if registry.DATASETS.get(str(data.get("dataset"))) is not KITTI_RAW:  # the test splits are lists of its images
        data = {}
    folder = Path(data.get("data_path", DataConfig.data_path))
    require(folder.is_dir(), f"--data_path {folder}: there is no such folder; give the one with the test images")
    png = config.network.png or data.get("png", False)
    return dataclasses.replace(config, network=dataclasses.replace(config.network, data_path=folder, png=png))


def load(flags: NetworkConfig, weights: Path) -> TrainedDepth:
    head = None if flags.metric_head is None else metric_head(flags.metric_head)
    return load_trained(weights, flags.model, choose_device(flags.device), flags.height, flags.width, head)


def with_kind(protocol: Protocol, trained: TrainedDepth, config: EvaluateConfig) -> Protocol:
    """The protocol as it is unless flags say otherwise: metres are not aligned, relative depth is by scale and shift."""
    if trained.kind == "up-to-scale" or is_given(config.protocol):
        return protocol
    if trained.kind == "metric":
        return changed(protocol, alignment="none", headline=NINE)
    return changed(protocol, alignment="scale_shift_disparity")


def disparities(
    trained: TrainedDepth,
    config: EvaluateConfig,
    protocol: Protocol,
    lines: list[SplitLine],
    list_file: Path,
    save: Callable[[np.ndarray], object],
) -> Predictions:
    """The network's disparity for each line, passed to `save` as well. UserError if an image is missing."""
    store = open_images(config.network, protocol, trained)
    predictions.check_images(store, lines, list_file)

    def jobs(chosen: Collection[int] | None = None) -> Iterable[Job]:
        some = range(len(lines)) if chosen is None else sorted(chosen)
        maps = predictions.from_network(
            trained,
            store,
            Mapped(lines.__getitem__, some),
            batch_size=config.network.batch_size,
            num_workers=config.num_workers,
            post_process=protocol.post_process,
        )
        for job in predictions.in_order(some, lines, maps):
            if chosen is None:
                save(job.read())
            yield job

    kind: PredictionKind = "relative" if trained.kind == "relative" else "disparity"
    place = of_kb_image if protocol.image_crop == "kb" else of_whole_image
    return Predictions(jobs, len(lines), kind, place, image=partial(_image, store, lines))


def open_images(flags: NetworkConfig, protocol: Protocol, trained: TrainedDepth) -> SizedStore:
    """The test images at the network's size, or their KB crop at that size."""
    root, size = flags.data_path or DataConfig.data_path, (trained.net.height, trained.net.width)
    if protocol.image_crop == "none":
        return open_store(KITTI_RAW.name, root, flags.png, *size)
    store = open_originals(KITTI_RAW.name, root, flags.png)
    if not isinstance(store, FolderStore):
        raise UserError(
            f"--data_path {root}: packed frames are resized already, and the KB crop is of the original ones; give the folder "
            "of KITTI raw, or --image_crop none"
        )
    return KbStore(store, *size)


class KbStore(ResizedStore):
    """The 352x1216 corner of each frame, at one size."""

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        with self.store.image(folder, frame, side) as image:
            rows, columns = kb_crop(image.height, image.width)
            return resized(image.crop((columns.start, rows.start, columns.stop, rows.stop)), self.height, self.width)


def _image(store: SizedStore, lines: list[SplitLine], index: int) -> np.ndarray:
    return store.read(*lines[index])


def multiply_accumulates(trained: TrainedDepth) -> int:
    """Of one image, forward: convolutions and matrix products as torch counts them."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        trained.net(torch.zeros(1, 3, trained.net.height, trained.net.width, device=trained.device))
    return counter.get_total_flops() // 2


def imagenet_backbone(settings: dict[str, Any]) -> bool | None:
    """From a run's config.json; weights that it started from may themselves have started from ImageNet."""
    model = settings.get("model", {})
    return None if not model or model.get("load_weights") else bool(model.get("mypretrain"))


def other_size(weights: Path, trained: TrainedDepth) -> tuple[int, int] | None:
    """(height, width) of the network's input where it is not the one that it was trained at, as far as that is known."""
    size, stored = (trained.net.height, trained.net.width), stored_size(weights)
    return size if None not in stored and size != stored else None
