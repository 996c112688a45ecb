"""L1, berHu and smooth L1 of sparse depth."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from supervised_goldens import Sample, value_and_gradient

from litemono.losses.robust import berhu, l1, smooth_l1


def sample(*shape: int) -> Sample:
    g = torch.Generator().manual_seed(2)
    prediction, target = (10 * torch.rand(shape, dtype=torch.float64, generator=g) for _ in range(2))
    return Sample(prediction, target, torch.rand(shape, generator=g) < 0.4)


def test_l1_and_smooth_l1_are_those_of_torch_on_the_valid_pixels():
    prediction, target, mask = sample(2, 6, 7)
    assert l1(prediction, target, mask) == pytest.approx(F.l1_loss(prediction[mask], target[mask]).item(), rel=1e-12)
    for beta in (0.5, 1.0, 20.0):
        expected = F.smooth_l1_loss(prediction[mask], target[mask], beta=beta).item()
        assert smooth_l1(prediction, target, mask, beta) == pytest.approx(expected, rel=1e-12)


def test_berhu_is_linear_up_to_a_fifth_of_the_largest_residual_and_quadratic_above():
    target = torch.zeros(1, 1, 4, dtype=torch.float64)
    prediction = torch.tensor([[[1.0, -2.0, 5.0, -10.0]]], dtype=torch.float64)
    value, gradient = value_and_gradient(berhu, Sample(prediction, target, target == 0))
    # c = 2: |r| = 1, 2, then (r^2 + c^2) / (2 c).
    assert value == pytest.approx((1 + 2 + 29 / 4 + 104 / 4) / 4)
    assert (4 * gradient).flatten().tolist() == pytest.approx([1, -1, 5 / 2, -10 / 2])
