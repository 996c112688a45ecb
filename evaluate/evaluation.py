"""One evaluation, from checked flags to its figures. Importing this does not import torch; a network does."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from litemono.utils.errors import UserError

from . import paired_difference, provenance, results
from .checks import writable
from .inputs import Images, Inputs, images_of, open_inputs
from .keys import video_of
from .scoring.direction import check_direction
from .scoring.image_set import Scores, score_all
from .scoring.one_image import summary_of
from .settings import EvaluateConfig
from .sources import predictions
from .sources.sequences import Mapped

if TYPE_CHECKING:
    from litemono.inference import TrainedDepth


class Evaluation(NamedTuple):
    """What was judged, and the figures."""

    config: EvaluateConfig
    inputs: Inputs
    scores: Scores
    result: results.Result
    path: Path
    """Of the JSON file."""


def evaluate_one(config: EvaluateConfig) -> Evaluation:
    """Judge all predictions. Raises UserError before the work where its result could not be written or compared."""
    images = images_of(config)
    if config.network.load_weights is not None:
        from .sources import network

        config = network.with_data_of_run(config, config.network.load_weights)
    with predictions.saving(config.network.save_pred, len(images.listed)) as save:
        inputs = open_inputs(config, images, save)
        protocol, judged, gt = inputs.protocol, inputs.predictions, inputs.truth
        path = writable(config.output or result_path(config, inputs, images.name))
        other = paired_difference.read_other(config.against, protocol, gt.keys) if config.against else None
        scores = Scores(score_all(judged, gt, protocol, config.num_workers))
        if judged.path is not None:
            check_direction(judged.path, judged.kind, scores.correlations)
    result = result_of(config, inputs, images, scores)
    if config.against is not None and other is not None:
        result = replace(result, against=paired_difference.against(result, other, config.against, protocol))
    return Evaluation(config, inputs, scores, result, path)


def result_of(config: EvaluateConfig, inputs: Inputs, images: Images, scores: Scores) -> results.Result:
    """Raises UserError where no image has a score."""
    gt, protocol = inputs.truth, inputs.protocol
    table, keys = scores.table(), Mapped(gt.keys.__getitem__, scores.counted)
    if not len(keys):
        raise UserError(
            f"{gt.path}: no image has a pixel of ground truth that counts; check --gt_path, --data_path and --split"
        )
    return results.Result(
        split=images.split,
        gt_path=str(gt.path),
        images=len(gt),
        evaluated=len(keys),
        skipped=[gt.names[index] for index in scores.skipped],
        weights=_text(config.network.load_weights),
        predictions=_text(config.predictions.pred),
        height=scores.size[0],
        width=scores.size[1],
        data=gt.data or protocol.data[0],
        **_network_fields(inputs.trained),
        **results.protocol_fields(protocol),
        **results.figures(summary_of(table, scores.ratios, protocol.averaging == "pixel")),
        pred_is=inputs.predictions.kind,
        missing=list(inputs.missing),
        unused=inputs.unused,
        pasted=scores.pasted,
        negative_slopes=scores.negative_slopes,
        intervals=results.both_intervals(table, map(video_of, keys), protocol),
        by_distance=scores.distribution.distance_table(),
        code=provenance.of_this(),
        training=provenance.of_training(config.network.load_weights),
        per_image=results.per_image(table, keys),
    )


def _network_fields(trained: TrainedDepth | None) -> dict[str, Any]:
    """The fields of a Result that describe the network; none for predictions in files."""
    if trained is None:
        return dict.fromkeys(("model", "min_depth", "max_depth", "imagenet_backbone"))
    from litemono.exporting.exported_depth import ExportedDepth

    from .sources import network

    head = None if isinstance(trained, ExportedDepth) else trained.net.metric_head
    counted = not isinstance(trained, ExportedDepth)  # a file of another runtime keeps neither modules nor their number
    return {
        "model": trained.net.name,
        "min_depth": trained.min_depth,
        "max_depth": trained.max_depth,
        "imagenet_backbone": network.imagenet_backbone(trained.settings),
        "metric_head": asdict(head) if head else None,
        "params": sum(part.numel() for part in trained.net.parameters()) if counted else None,
        "macs": network.multiply_accumulates(trained) if counted else None,
    }


def result_path(config: EvaluateConfig, inputs: Inputs, split_name: str) -> Path:
    weights, pred, size = config.network.load_weights, config.predictions.pred, None
    if weights is not None and inputs.trained is not None:
        from .sources import network

        size = network.other_size(weights, inputs.trained)
    name = results.file_name(split_name, inputs.protocol, size)
    if weights is not None and weights.is_dir():
        return weights / name
    source = (weights or pred or Path()).absolute()
    return source.with_name(f"{source.name if source.is_dir() else source.stem}_{name}")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
