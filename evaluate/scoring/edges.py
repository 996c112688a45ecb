"""Are the edges of a prediction where those of the ground truth are? The depth boundary errors of Koch et al. 2018 (iBims-1).

    accuracy      mean distance of predicted edge pixels to the nearest true edge, of those nearer than 10 pixels
    completeness  mean distance of true edge pixels to the nearest predicted edge, at most 10 pixels

Both are 10 where no predicted edge is near a true one. Edges are Canny's of log depth, as in Spencer et al. 2022, of the
prediction and of the ground truth alike, so they do not depend on the unit. That needs dense ground truth: lidar has no edges.
"""

from __future__ import annotations

import cv2
import numpy as np

DENSE = 0.5  # share of the pixels that must be measured
FAR = 10.0  # pixels
SIGMA, LOW, HIGH = 1.0, 0.1, 0.2  # of the blur in pixels; Sobel's response to log depth, 4 for a step of 1
UNITS = 2000  # of Sobel's response in 16 bits: steps of up to 4 in log depth, a factor of 55, are told apart
BESIDE_HOLES = np.ones((7, 7), np.uint8)  # what blur and Sobel's operator see


def is_dense(truth: np.ndarray) -> bool:
    """Whether truth (H, W), 0 where nothing was measured, has edges that can be found."""
    return bool(np.count_nonzero(truth > 0) >= DENSE * truth.size)


def edge_errors(truth: np.ndarray, depth: np.ndarray) -> tuple[float, float]:
    """Accuracy and completeness in pixels of depth against dense truth, (H, W) metres both; NaN where the truth has no edge.

    truth is 0 where nothing was measured; edges beside such holes are left out. Elsewhere depth must be positive.
    """
    measured = truth > 0
    seen = cv2.erode(measured.astype(np.uint8), BESIDE_HOLES, borderValue=1) > 0
    true = edges(_filled(np.log(np.where(measured, truth, 1)), measured)) & seen
    if not true.any():
        return float("nan"), float("nan")
    predicted = edges(np.log(np.where(measured, depth, 1))) & seen
    to_true = _distance_to(true)
    near = predicted & (to_true < FAR)
    if not near.any():
        return FAR, FAR
    return float(to_true[near].mean()), float(np.minimum(_distance_to(predicted)[true], FAR).mean())


def edges(log_depth: np.ndarray) -> np.ndarray:
    """(H, W) bool: Canny's edges of a map of natural logarithms."""
    smooth = cv2.GaussianBlur(log_depth.astype(np.float32), (0, 0), SIGMA, borderType=cv2.BORDER_REFLECT)
    across, down = (
        (cv2.Sobel(smooth, cv2.CV_32F, *axis) * UNITS).clip(-32767, 32767).astype(np.int16) for axis in ((1, 0), (0, 1))
    )
    return cv2.Canny(across, down, LOW * UNITS, HIGH * UNITS, L2gradient=True) > 0


def _filled(values: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """values (H, W) with each hole's pixels as the nearest measured one."""
    if measured.all():
        return values
    _, labels = cv2.distanceTransformWithLabels(
        (~measured).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_label = np.zeros(labels.max() + 1, values.dtype)
    by_label[labels[measured]] = values[measured]
    return by_label[labels]


def _distance_to(mask: np.ndarray) -> np.ndarray:
    """(H, W) Euclidean distance of each pixel to the nearest one of the mask."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
