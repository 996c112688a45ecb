"""Where a prediction lies in its image: all of it, or the 352x1216 corner that BTS and its descendants feed their network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import cv2
import numpy as np

from ..windows import KB_SIZE, kb_crop
from .alignment import BadPrediction

PredictionCrop = Literal["auto", "kb", "none"]
OTHER_SHAPE = 0.1  # a prediction whose width / height differs by more than this share is of another image


class Placed(NamedTuple):
    """A prediction and the truth that it is compared with."""

    prediction: np.ndarray
    """(h, w) of the whole image, at any size."""
    truth: np.ndarray
    """(H, W) metres, 0 where nothing was measured or nothing predicted."""
    pasted: bool = False


Place = Callable[[np.ndarray, np.ndarray], Placed]
"""(prediction, truth) -> Placed. Raises BadPrediction."""


def resize(prediction: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W) -> (height, width) bilinear, by OpenCV like every published number."""
    return cv2.resize(prediction, (width, height))


def of_whole_image(prediction: np.ndarray, truth: np.ndarray) -> Placed:
    """As a network's output is, whatever its size."""
    return Placed(prediction, truth)


def of_kb_image(prediction: np.ndarray, truth: np.ndarray) -> Placed:
    """A network's output, of any size, for the 352x1216 crop of its image."""
    return Placed(*pasted(resize(prediction, *KB_SIZE), truth), pasted=True)


def of_other_program(crop: PredictionCrop) -> Place:
    """Files of another program; crop: what --pred_crop says of them."""

    def place(prediction: np.ndarray, truth: np.ndarray) -> Placed:
        if is_kb_cropped(prediction, truth, crop):
            return Placed(*pasted(prediction, truth), pasted=True)
        check_shape(prediction, truth)
        return Placed(prediction, truth)

    return place


def is_kb_cropped(prediction: np.ndarray, truth: np.ndarray, crop: PredictionCrop) -> bool:
    """Whether the prediction is of the 352x1216 corner of its image. Raises BadPrediction if it should be and is not."""
    if crop == "kb" and prediction.shape != KB_SIZE:
        raise BadPrediction(f"it has {_size(prediction)} pixels, but --pred_crop kb says 352x1216")
    smaller = prediction.shape == KB_SIZE and truth.shape != KB_SIZE
    return crop != "none" and smaller and truth.shape[0] >= KB_SIZE[0] and truth.shape[1] >= KB_SIZE[1]


def pasted(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A 352x1216 prediction at its place in a map of the truth's size, and the truth without the pixels around it.

    Published code pastes into zeros and scores them, so that without a crop rmse_log is infinite.
    """
    window = kb_crop(*truth.shape)
    whole, inside = np.zeros(truth.shape, prediction.dtype), np.zeros_like(truth)
    whole[window], inside[window] = prediction, truth[window]
    return whole, inside


def check_shape(prediction: np.ndarray, truth: np.ndarray) -> None:
    """Raise BadPrediction where the prediction, resized to the truth, would be distorted."""
    shapes = [shape[1] / shape[0] for shape in (prediction.shape, truth.shape)]
    if abs(shapes[0] / shapes[1] - 1) > OTHER_SHAPE:
        raise BadPrediction(
            f"it has {_size(prediction)} pixels, its ground truth {_size(truth)}: another image or crop"
        )


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
