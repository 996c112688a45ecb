"""The pictures of a report: image, prediction, truth and error of the worst, median and best images."""

from __future__ import annotations

import base64
import io
from typing import Any

import cv2
import matplotlib
import numpy as np
from PIL import Image

from ..evaluation import Evaluation
from ..scoring.alignment import aligned
from ..scoring.metrics import METRICS, NAMES
from ..scoring.one_image import resize, valid_pixels

EACH = 3  # images of each sort
WIDTH = 640  # pixels of a picture
DOT = 5  # pixels that a measurement covers at that width
WORST_ERROR = 0.5  # |g - p| / g at the end of the colours
PERCENTILE = 98  # of inverse depth at the end of the colours


def chosen_images(first: Evaluation, done: list[Evaluation]) -> list[tuple[str, int]]:
    """(worst, median or best; index of the ground truth) by the first evaluation, of images that all have a score for."""
    name = first.inputs.protocol.ranked_by
    counted = np.array(first.scores.counted)
    shared = np.all([np.isin(counted, evaluation.scores.counted) for evaluation in done], axis=0)
    values = first.scores.table().values[shared, NAMES.index(name)]
    order = counted[shared][np.argsort(values, kind="stable")].tolist()
    if not METRICS[name].higher_is_better:
        order.reverse()  # the worst first
    if len(order) <= 3 * EACH:
        return [("worst to best", index) for index in order]
    middle = (len(order) - EACH) // 2
    parts = {"worst": order[:EACH], "median": order[middle : middle + EACH], "best": order[-EACH:]}
    return [(sort, index) for sort, indices in parts.items() for index in indices]


def pictures_of(chosen: list[tuple[str, int]], done: list[Evaluation]) -> list[dict[str, Any]]:
    """For each chosen image: what all have in common, and each evaluation's prediction and error, as data: addresses."""
    first = done[0]
    wanted = {index for _, index in chosen}
    made: list[dict[int, dict[str, Any]]] = [_of_evaluation(evaluation, wanted) for evaluation in done]
    pictures = []
    for sort, index in chosen:
        truth = first.inputs.truth.read(index)
        image = next((one.inputs.predictions.image for one in done if one.inputs.predictions.image), None)
        pictures.append(
            {
                "sort": sort,
                "name": first.inputs.truth.names[index],
                "image": _jpeg(_fitted(image(index), truth)) if image else "",
                "truth": _png(_dots(_shades(_inverse(truth)), truth > 0)),
                "runs": [of_one[index] for of_one in made],
            }
        )
    return pictures


def _of_evaluation(evaluation: Evaluation, wanted: set[int]) -> dict[int, dict[str, Any]]:
    """Prediction, error and the first metric of these images."""
    inputs, counted = evaluation.inputs, np.array(evaluation.scores.counted)
    rows = {index: int(np.searchsorted(counted, index)) for index in wanted}
    protocol, kind = inputs.protocol, inputs.predictions.kind
    values = evaluation.scores.table().values[:, NAMES.index(protocol.ranked_by)]
    found = {}
    for job in inputs.predictions.jobs(wanted):
        values_of = job.read()
        placed = inputs.predictions.place(
            values_of.astype(np.promote_types(values_of.dtype, "f4")), inputs.truth.read(job.truth)
        )
        whole = resize(placed.prediction, *placed.truth.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.nan_to_num(aligned(whole, evaluation.scores.fit(rows[job.truth]), protocol, kind))
        if placed.pasted:
            depth[whole == 0] = 0  # around the crop nothing was predicted
        valid = valid_pixels(placed.truth, protocol)
        error = np.divide(abs(depth - placed.truth), placed.truth, out=np.zeros_like(depth), where=valid)
        shades = matplotlib.colormaps["inferno"](np.clip(error / WORST_ERROR, 0.05, 1), bytes=True)[:, :, :3]
        found[job.truth] = {
            "prediction": _jpeg(_fitted(_shades(_inverse(depth)), placed.truth)),
            "error": _png(_dots(shades, valid)),
            "value": float(values[rows[job.truth]]),
        }
    return found


def _inverse(depth: np.ndarray) -> np.ndarray:
    return np.divide(1, depth, out=np.zeros(depth.shape, np.float32), where=depth > 0)


def _shades(inverse: np.ndarray) -> np.ndarray:
    """(H, W) 1/metres -> (H, W, 3) uint8; near is bright."""
    positive = inverse[inverse > 0]
    high = np.percentile(positive, PERCENTILE) if len(positive) else 1.0
    return matplotlib.colormaps["magma"](np.clip(inverse / high, 0, 1), bytes=True)[:, :, :3]


def _fitted(picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(h, w, 3) at the report's width and the truth's shape."""
    height = max(1, round(WIDTH * truth.shape[0] / truth.shape[1]))
    return cv2.resize(np.ascontiguousarray(picture), (WIDTH, height), interpolation=cv2.INTER_AREA)


def _dots(picture: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Measurements on black, large enough to be seen, at the report's width."""
    height = max(1, round(WIDTH * picture.shape[0] / picture.shape[1]))
    canvas = np.zeros((height, WIDTH, 3), np.uint8)
    rows, columns = np.nonzero(measured)
    scale = WIDTH / picture.shape[1]
    centres = ((rows + 0.5) * scale).astype(int), ((columns + 0.5) * scale).astype(int)
    around = range(-(DOT // 2), DOT // 2 + 1) if measured.mean() < 0.2 else range(1)
    for down in around:
        for right in around:
            places = (centres[0] + down).clip(0, height - 1), (centres[1] + right).clip(0, WIDTH - 1)
            canvas[places] = np.maximum(canvas[places], picture[rows, columns])
    return (
        canvas
        if measured.mean() < 0.2
        else _fitted(np.where(measured[:, :, None], picture, 0).astype(np.uint8), measured)
    )


def _jpeg(picture: np.ndarray) -> str:
    return _address(picture, "JPEG", quality=85)


def _png(picture: np.ndarray) -> str:
    return _address(picture, "PNG", optimize=True)


def _address(picture: np.ndarray, form: str, **options: Any) -> str:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"
