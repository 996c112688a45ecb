"""What holds for every loss of valid pixels: empty masks, numbers in invalid pixels, half precision."""

from __future__ import annotations

import pytest
import torch
from supervised_goldens import Sample, value_and_gradient

from litemono.losses.gradient_matching import gradient_matching
from litemono.losses.robust import berhu, l1, smooth_l1
from litemono.losses.scale_shift import ssi_mse, ssi_trimmed_mae

LOSSES = [l1, berhu, smooth_l1, ssi_mse, ssi_trimmed_mae, gradient_matching]


def sample(*shape: int) -> Sample:
    g = torch.Generator().manual_seed(1)
    prediction, target = (torch.rand(shape, dtype=torch.float64, generator=g) for _ in range(2))
    return Sample(prediction, target, torch.rand(shape, generator=g) < 0.6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perfect_prediction_and_an_empty_mask_have_loss_and_gradient_zero(loss, dtype):
    prediction, _, mask = sample(2, 6, 7)
    prediction = prediction.to(dtype)
    for valid in (mask, torch.zeros_like(mask)):
        value, gradient = value_and_gradient(loss, Sample(prediction, prediction, valid))
        assert value == 0 and not gradient.any()


@pytest.mark.parametrize("loss", LOSSES)
def test_what_invalid_pixels_hold_does_not_matter(loss):
    prediction, target, mask = sample(2, 6, 7)
    expected, gradient = value_and_gradient(loss, Sample(prediction, target, mask))
    spoiled = Sample(prediction.where(mask, torch.inf), target.where(mask, torch.nan), mask)
    value, found = value_and_gradient(loss, spoiled)
    assert value == expected and torch.equal(found, gradient)
    assert not found[~mask].any()


@pytest.mark.parametrize("loss", LOSSES)
def test_under_autocast_and_in_half_precision_the_loss_is_float32(loss):
    prediction, target, mask = sample(2, 6, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(prediction.bfloat16(), target.float(), mask)
    assert value.dtype == torch.float32
    assert value == loss(prediction.bfloat16().float(), target.float(), mask)
