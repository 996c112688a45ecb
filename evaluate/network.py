"""A trained network as a source of predictions: what its run says about its data, and its disparities in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from evaluate import predictions
from evaluate.scores import Job, Predictions
from evaluate.settings import EvaluateConfig
from litemono.data.datasets import registry
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.settings import DataConfig
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_store
from litemono.inference import TrainedDepth, load_trained, run_settings
from litemono.utils.device import choose_device
from litemono.utils.errors import require
from networks.weights import stored_size


def with_data_of_run(config: EvaluateConfig) -> EvaluateConfig:
    """--data_path, and --png with it, as training had them, where the flags do not say."""
    if config.network.load_weights is None or config.network.data_path is not None:
        return config
    data = run_settings(config.network.load_weights).get("data", {})
    if registry.DATASETS.get(str(data.get("dataset"))) is not KITTI_RAW:  # the test splits are lists of its images
        data = {}
    folder = Path(data.get("data_path", DataConfig.data_path))
    require(folder.is_dir(), f"--data_path {folder}: there is no such folder; give the one with the test images")
    png = config.network.png or data.get("png", False)
    return dataclasses.replace(config, network=dataclasses.replace(config.network, data_path=folder, png=png))


def open_network(
    config: EvaluateConfig, lines: list[SplitLine], list_file: Path, save: Callable[[np.ndarray], object]
) -> tuple[TrainedDepth, Predictions]:
    """The network, and its disparity for each line, passed to `save` as well. UserError if an image is missing."""
    net = config.network
    trained = load_trained(net.load_weights, net.model, choose_device(net.device), net.height, net.width)
    store = open_store(KITTI_RAW.name, net.data_path, net.png, trained.net.height, trained.net.width)
    predictions.check_images(store, lines, list_file)

    def jobs() -> Iterable[Job]:
        disparities = predictions.from_network(
            trained,
            store,
            lines,
            batch_size=net.batch_size,
            num_workers=config.num_workers,
            post_process=config.protocol.post_process,
        )
        for job in predictions.in_order(lines, disparities):
            save(job.read())
            yield job

    return trained, Predictions(jobs, len(lines), "disparity")


def other_size(weights: Path, trained: TrainedDepth) -> tuple[int, int] | None:
    """(height, width) of the network's input where it is not the one that it was trained at, as far as that is known."""
    size, stored = (trained.net.height, trained.net.width), stored_size(weights)
    return size if None not in stored and size != stored else None
