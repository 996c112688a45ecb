"""One evaluation from checked flags to the table and the JSON file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate import compare, predictions, results
from evaluate.direction import check_direction
from evaluate.inputs import Images, Inputs, images_of, open_predictions, open_truth
from evaluate.names import video_of
from evaluate.protocol import Protocol
from evaluate.scores import Scores, score_all
from evaluate.scoring import summary_of
from evaluate.settings import EvaluateConfig, check_kind, check_protocol, protocol_of
from evaluate.truth import Truth
from litemono.utils.errors import UserError

if TYPE_CHECKING:
    from litemono.inference import TrainedDepth


def run(config: EvaluateConfig) -> None:
    """Evaluate, print, write. Importing this module does not import torch; a network does."""
    if config.network.load_weights is not None:
        from evaluate import network

        config = network.with_data_of_run(config)
    images = images_of(config)
    protocol = protocol_of(config.protocol, images.name)
    gt = open_truth(config, images, protocol)
    check_protocol(protocol, gt)
    with predictions.saving(config.network.save_pred, len(gt)) as save:
        inputs = open_predictions(config, images, gt, save)
        judged = inputs.predictions
        check_kind(protocol, judged.kind)
        path = writable(config.output or _result_path(config, inputs.trained, images.name, protocol))
        other = compare.read_other(config.against, protocol, gt.keys) if config.against else None
        scores = Scores(score_all(judged, gt, protocol, config.num_workers))
        if judged.path is not None:
            check_direction(judged.path, judged.kind, scores.correlations)
    result = _result(config, inputs, images, protocol, gt, scores)
    results.show(result, protocol)
    if other is not None:
        result = replace(result, against=compare.against(result, other, config.against, protocol))
        print("\n".join(compare.in_words(result.against, protocol.headline)))
    results.write(path, result)
    print(f"written to {path}")
    if inputs.trained and inputs.trained.settings.get("loss", {}).get("use_stereo") and protocol.median_scaling:
        print("trained with stereo pairs: --no_median_scaling --pred_depth_scale 5.4 judges its own scale")


def writable(path: Path) -> Path:
    """The path of a file to write in the end; UserError before the work where it cannot be written."""
    place = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not place.is_dir() or not os.access(place, os.W_OK):
        raise UserError(f"{path}: no file can be written there; give another place: --output errors.json")
    return path


def _result(
    config: EvaluateConfig, inputs: Inputs, images: Images, protocol: Protocol, gt: Truth, scores: Scores
) -> results.Result:
    table, keys = scores.table(), [gt.keys[index] for index in scores.counted]
    if not keys:
        raise UserError(
            f"{gt.path}: no image has a pixel of ground truth that counts; check --gt_path, --data_path and --split"
        )
    trained = inputs.trained
    return results.Result(
        split=images.split,
        gt_path=str(gt.path),
        images=len(gt),
        evaluated=len(keys),
        skipped=[gt.names[index] for index in scores.skipped],
        weights=_text(config.network.load_weights),
        predictions=_text(config.predictions.pred),
        model=trained.net.name if trained else None,
        height=scores.size[0],
        width=scores.size[1],
        min_depth=trained.min_depth if trained else None,
        max_depth=trained.max_depth if trained else None,
        imagenet_backbone=results.imagenet_backbone(trained.settings if trained else {}),
        **results.protocol_fields(protocol),
        **results.figures(summary_of(table, scores.ratios, protocol.averaging == "pixel")),
        pred_is=inputs.predictions.kind,
        missing=list(inputs.missing),
        unused=len(inputs.unused),
        pasted=scores.pasted,
        negative_slopes=scores.negative_slopes,
        intervals=results.both_intervals(table, [video_of(key) for key in keys], protocol),
        per_image=results.per_image(table, keys),
    )


def _result_path(config: EvaluateConfig, trained: TrainedDepth | None, split_name: str, protocol: Protocol) -> Path:
    size = None
    if trained is not None:
        from evaluate import network

        size = network.other_size(config.network.load_weights, trained)
    name = results.file_name(split_name, protocol, size)
    source = config.network.load_weights or config.predictions.pred.absolute()
    if config.network.load_weights is not None and source.is_dir():
        return source / name
    return source.with_name(f"{source.name if source.is_dir() else source.stem}_{name}")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
