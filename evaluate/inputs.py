"""What the flags name: the images, their ground truth, and the predictions that are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluate import prediction_files, predictions, results, truth
from evaluate.names import match
from evaluate.protocol import Protocol
from evaluate.scores import Job, Predictions
from evaluate.settings import EvaluateConfig
from evaluate.truth import Truth
from export_gt import default_path
from export_gt.depth_maps import check_has_truth
from litemono.data.splits import SplitLine, read_split, split_file
from litemono.utils.errors import UserError

if TYPE_CHECKING:
    from litemono.inference import TrainedDepth

DEFAULT_SPLIT = "eigen"


class Images(NamedTuple):
    """Which images are evaluated."""

    split: str
    """As given; the ground truth's folder where no split was."""
    name: str
    """Of the split's folder, for the name of the result."""
    lines: list[SplitLine] | None
    """None: all that the folder of ground truth has."""
    list_file: Path | None


class Inputs(NamedTuple):
    """What is judged."""

    predictions: Predictions
    trained: TrainedDepth | None = None
    missing: tuple[str, ...] = ()
    """Images without prediction, with --allow_missing."""
    unused: tuple[str, ...] = ()
    """Predictions without ground truth."""


def images_of(config: EvaluateConfig) -> Images:
    gt_path, pred = config.truth.gt_path, config.predictions.pred
    named = pred is not None and not prediction_files.is_one_array(pred)
    if config.truth.split is None and named and gt_path is not None and gt_path.is_dir():
        return Images(str(gt_path), gt_path.absolute().name, None, None)
    split = config.truth.split or DEFAULT_SPLIT
    list_file = split_file(split, "test")
    check_has_truth(list_file)
    return Images(split, list_file.parent.name, read_split(list_file), list_file)


def open_truth(config: EvaluateConfig, images: Images, protocol: Protocol) -> Truth:
    path = config.truth.gt_path
    if images.lines is None or (path is not None and path.is_dir()):
        return truth.from_folder(
            path or Path(images.split), images.lines, images.split, config.truth.gt_factor, protocol.occluded
        )
    data_path = config.network.data_path
    place = path or default_path(data_path or Path("."), images.name)
    return truth.from_file(place, images.lines, images.split, data_path, given=path is not None)


def open_predictions(config: EvaluateConfig, images: Images, gt: Truth, save: Callable[[np.ndarray], object]) -> Inputs:
    if config.network.load_weights is not None:
        from evaluate import network  # with torch

        trained, disparities = network.open_network(config, images.lines, images.list_file, save)
        return Inputs(disparities, trained)
    pred, kind = config.predictions.pred, config.predictions.pred_is or "disparity"
    if not prediction_files.is_one_array(pred):
        return _by_name(config, gt)
    maps = predictions.from_file(pred, len(gt), images.name, kind)
    return Inputs(Predictions(partial(predictions.in_order, images.lines, maps), len(gt), kind, path=pred))


def _by_name(config: EvaluateConfig, gt: Truth) -> Inputs:
    flags = config.predictions
    named = prediction_files.open_named(flags.pred, flags.pred_is, flags.png_factor)
    pairs = match(gt.keys, named.keys, named.names)
    missing = [name for name, pair in zip(gt.names, pairs.predictions, strict=True) if pair is None]
    if len(missing) == len(gt):
        raise UserError(
            f"--pred {flags.pred}: no name fits the ground truth: it has {named.names[0] if named.names else 'nothing'}, "
            f"the ground truth {gt.names[0]}"
        )
    if missing and not config.truth.allow_missing:
        raise UserError(
            f"--pred {flags.pred}: {len(missing)} of {len(gt)} images have no prediction ({results.some(missing, 3)}); "
            "add them, or evaluate the others: --allow_missing"
        )

    def jobs() -> Iterator[Job]:
        for index, pair in enumerate(pairs.predictions):
            if pair is not None:
                yield Job(index, f"{flags.pred}: {named.names[pair]}", partial(named.read, pair))

    unused = tuple(named.names[index] for index in pairs.unused)
    found = Predictions(jobs, len(gt) - len(missing), named.kind, flags.pred_crop, any_shape=False, path=flags.pred)
    return Inputs(found, None, tuple(missing), unused)
