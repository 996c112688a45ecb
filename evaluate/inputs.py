"""What the flags name: the images, their ground truth, and the predictions that are judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from export_gt import default_path
from export_gt.depth_maps import check_has_truth
from litemono.data.splits import SplitLine, read_split, split_file
from litemono.utils.errors import UserError

from . import results
from .protocol import Protocol
from .scoring.image_set import Job, Predictions, Truth
from .scoring.placing import of_other_program
from .settings import EvaluateConfig, check_kind, check_protocol, protocol_of
from .sources import prediction_files, predictions, truth
from .sources.names import NONE, match

if TYPE_CHECKING:
    from litemono.inference import TrainedDepth

DEFAULT_SPLIT = "eigen"


class Images(NamedTuple):
    """Which images are evaluated."""

    split: str
    """As given; the ground truth's folder where no split was."""
    name: str
    """Of the split's folder, for the name of the result."""
    list_file: Path
    lines: list[SplitLine] | None
    """None: all that the folder of ground truth has."""

    @property
    def listed(self) -> list[SplitLine]:
        """For predictions without names, which always come with a split."""
        return self.lines or []


class Inputs(NamedTuple):
    """What is judged, and how."""

    protocol: Protocol
    truth: Truth
    predictions: Predictions
    trained: TrainedDepth | None = None
    missing: tuple[str, ...] = ()
    """Images without prediction, with --allow_missing."""
    unused: int = 0
    """How many predictions have no ground truth."""


def images_of(config: EvaluateConfig) -> Images:
    gt_path, pred = config.truth.gt_path, config.predictions.pred
    named = pred is not None and not prediction_files.is_one_array(pred)
    if config.truth.split is None and named and gt_path is not None and gt_path.is_dir():
        return Images(str(gt_path), gt_path.absolute().name, gt_path, None)
    split = config.truth.split or DEFAULT_SPLIT
    list_file = split_file(split, "test")
    check_has_truth(list_file)
    return Images(split, list_file.parent.name, list_file, read_split(list_file))


def open_inputs(config: EvaluateConfig, images: Images, save: Callable[[np.ndarray], object]) -> Inputs:
    """Raises UserError for what is missing, damaged, or does not fit together. save: gets each map of a network."""
    protocol, gt = open_truth(config, images)
    weights, pred = config.network.load_weights, config.predictions.pred
    if weights is not None:
        from .sources import network  # with torch

        trained = network.load(config.network, weights)
        protocol = network.with_kind(protocol, trained, config)
        maps = network.disparities(trained, config, protocol, images.listed, images.list_file, save)
        inputs = Inputs(protocol, gt, maps, trained)
    else:
        assert pred is not None  # check() has seen to it
        named = not prediction_files.is_one_array(pred)
        inputs = _by_name(config, pred, gt, protocol) if named else _by_order(config, pred, images, gt, protocol)
    check_kind(protocol, inputs.predictions.kind)
    return inputs


def open_truth(config: EvaluateConfig, images: Images) -> tuple[Protocol, Truth]:
    """The ground truth, and the protocol for it. Raises UserError where they do not fit."""
    gt = _truth(config, images, protocol_of(config.protocol, images.name))
    protocol = protocol_of(config.protocol, images.name, gt.data)
    check_protocol(protocol, gt)
    return protocol, gt


def _truth(config: EvaluateConfig, images: Images, protocol: Protocol) -> Truth:
    path = config.truth.gt_path
    if path is not None and path.is_dir():
        return truth.from_folder(path, images.lines, images.split, config.truth.gt_factor, protocol.occluded)
    data_path = config.network.data_path
    place = path or default_path(data_path or Path("."), images.name)
    return truth.from_file(place, images.listed, images.split, data_path, given=path is not None)


def _by_order(config: EvaluateConfig, pred: Path, images: Images, gt: Truth, protocol: Protocol) -> Inputs:
    kind = config.predictions.pred_is or "disparity"
    maps = predictions.from_file(pred, len(gt), images.name, kind)

    def jobs(chosen: Collection[int] | None = None) -> Iterator[Job]:
        some = range(len(gt)) if chosen is None else sorted(chosen)
        return predictions.in_order(some, images.listed, (maps[index] for index in some))

    return Inputs(protocol, gt, Predictions(jobs, len(gt), kind, path=pred))


def _ambiguous(found: Sequence[tuple[int, int]], truths: Sequence[str], predictions: Sequence[str]) -> str:
    """What the first of the names fits, when that is more than one."""
    truth, prediction = found[0]
    names = [predictions[one] for other, one in found if other == truth]
    if len(names) > 1:
        return f"ambiguous names: {' and '.join(names[:3])} fit {truths[truth]}; give the folder that has one of them"
    names = [truths[other] for other, one in found if one == prediction]
    return f"ambiguous names: {predictions[prediction]} fits {' and '.join(names[:3])}; put it into a folder of such a name"


def _by_name(config: EvaluateConfig, pred: Path, gt: Truth, protocol: Protocol) -> Inputs:
    flags = config.predictions
    named = prediction_files.open_named(pred, flags.pred_is, flags.png_factor)
    pairs = match(gt.keys, named.keys, named.names)
    missing = [gt.names[index] for index in np.flatnonzero(pairs.predictions == NONE).tolist()]
    if pairs.ambiguous and (len(missing) == len(gt) or not config.truth.allow_missing):
        raise UserError(f"--pred {pred}: {_ambiguous(pairs.ambiguous, gt.names, named.names)}")
    if len(missing) == len(gt):
        raise UserError(
            f"--pred {pred}: no name fits the ground truth: it has {named.names[0] if named.names else 'nothing'}, "
            f"the ground truth {gt.names[0]}"
        )
    if missing and not config.truth.allow_missing:
        raise UserError(
            f"--pred {pred}: {len(missing)} of {len(gt)} images have no prediction ({results.some(missing, 3)}); "
            "add them, or evaluate the others: --allow_missing"
        )

    def jobs(chosen: Collection[int] | None = None) -> Iterator[Job]:
        for index in range(len(gt)) if chosen is None else sorted(chosen):
            pair = int(pairs.predictions[index])
            if pair != NONE:
                yield Job(index, f"{pred}: {named.names[pair]}", partial(named.read, pair))

    place = of_other_program(flags.pred_crop)
    found = Predictions(jobs, len(gt) - len(missing), named.kind, place, path=pred)
    return Inputs(protocol, gt, found, None, tuple(missing), pairs.unused)
