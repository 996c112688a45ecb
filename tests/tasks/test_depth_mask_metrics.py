"""Similarity and accuracy of masks and depths against recorded numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from litemono.tasks.depth_mask.metrics import Scores, means, scores, similarity
from litemono.tasks.depth_mask.settings import AccuracyConfig


@pytest.mark.parametrize("head", ["mask", "depth"])
def test_similarity_and_accuracy_are_the_published_ones(parity_supervised, head):
    with np.load(parity_supervised / "mask_depth.npz") as kit:
        truth, predictions, expected = (kit[f"similarity_{head}/{name}"] for name in ("gt", "pred", "ssim"))
        percent, threshold = (float(kit[f"similarity_{head}/{name}"]) for name in ("accuracy_percent", "threshold"))
    found = [similarity(prediction, truth) for prediction in predictions]
    assert found == pytest.approx(expected.tolist(), abs=1e-9)
    default = getattr(AccuracyConfig, f"{head}_similarity")
    assert default == threshold
    accuracy = means([Scores(value, value, 0, 0) for value in found], AccuracyConfig())[f"{head}_accuracy"]
    assert 100 * accuracy == pytest.approx(percent)


def test_a_perfect_prediction_is_right_and_an_inverted_mask_is_not():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:9, 3:8] = 1
    depth = torch.linspace(0, 1, 256).view(1, 1, 16, 16)
    (perfect,) = scores(torch.cat([mask, depth], 1), mask, depth)
    assert perfect.mask_ssim == perfect.depth_ssim == perfect.mask_iou == 1 and perfect.depth_mae == 0
    (wrong,) = scores(torch.cat([1 - mask, depth], 1), mask, depth)
    assert wrong.mask_iou == 0 and wrong.named(AccuracyConfig())["mask_accuracy"] == 0


def test_iou_of_two_empty_masks_is_1():
    nothing = torch.zeros(1, 1, 8, 8)
    assert scores(torch.zeros(1, 2, 8, 8), nothing, nothing)[0].mask_iou == 1


def test_the_thresholds_decide_what_is_right():
    found = [Scores(0.8, 0.6, 1, 0), Scores(0.95, 0.4, 1, 0)]
    assert means(found, AccuracyConfig())["mask_accuracy"] == 0.5
    loose = means(found, AccuracyConfig(mask_similarity=0.7, depth_similarity=0.3))
    assert loose["mask_accuracy"] == loose["depth_accuracy"] == 1
