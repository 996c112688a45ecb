"""Losses of mask and depth against recorded numbers, and where the published formula has no gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from goldens import assert_close
from supervised_goldens import GRADIENT, VALUE, VALUE_FLOAT32, arrays

from litemono.losses.mask_depth import Uncertainty, criterion, sum_of_roots, weighted_sum

CRITERIA = {"bce": "bce_with_logits", "smooth-l1": "smooth_l1", "mse": "mse"} | {
    f"ssim-{n}": f"kornia_ssim_w{n}" for n in (3, 5, 11)
}
COMBINED = {
    "sqrt_sum": sum_of_roots,
    "weighted_1_1": lambda m, d: weighted_sum(m, d, (1, 1)),
    "weighted_1_2": lambda m, d: weighted_sum(m, d, (1, 2)),
}


@pytest.fixture(scope="module")
def kit(parity_supervised):
    return arrays(parity_supervised / "mask_depth.npz")


def losses(kit, name: str, dtype: torch.dtype):
    """Logits of both heads, and each head's loss."""
    kind, _, window = name.partition("-") if name.startswith("ssim") else (name, "", "11")
    compare = criterion(kind, int(window))
    logits = [torch.from_numpy(kit[f"{head}_logits"]).to(dtype).requires_grad_() for head in ("mask", "depth")]
    targets = [torch.from_numpy(kit[f"{head}_target"]).to(dtype) for head in ("mask", "depth")]
    return logits, [compare(*pair) for pair in zip(logits, targets, strict=True)]


@pytest.mark.parametrize("how", COMBINED)
@pytest.mark.parametrize("name", CRITERIA)
def test_values_and_gradients_are_the_published_ones(kit, name, how):
    key = f"{CRITERIA[name]}/{how}"
    logits, parts = losses(kit, name, torch.float64)
    total = COMBINED[how](*parts)
    total.backward()
    found = [total.item(), *(part.item() for part in parts)]
    assert found == pytest.approx(kit[f"{key}/total_mask_depth"].tolist(), rel=VALUE), key
    for head, values in zip(("mask", "depth"), logits, strict=True):
        assert_close(values.grad, kit[f"{key}/grad_{head}"], GRADIENT, f"{key}: gradient of {head}")
    _, parts = losses(kit, name, torch.float32)
    assert COMBINED[how](*parts).item() == pytest.approx(total.item(), rel=VALUE_FLOAT32), f"{key} in float32"


def test_the_root_of_a_loss_of_0_has_a_finite_gradient(kit):
    assert np.isnan(kit["sqrt_sum_at_zero/grad_mask"]).all()  # the published answer
    zero, other = torch.zeros((), requires_grad=True), torch.tensor(0.25, requires_grad=True)
    total = sum_of_roots(zero, other)
    total.backward()
    assert total.item() == kit["sqrt_sum_at_zero/value"] + 0.5 and zero.grad == 0 and other.grad == 1


def test_learned_weights_begin_as_the_plain_sum_and_fall_where_a_loss_stays_large():
    weights = Uncertainty()
    optimizer = torch.optim.SGD(weights.parameters(), lr=0.1)
    large, small = torch.tensor(4.0), torch.tensor(0.1)
    assert weights(large, small).item() == pytest.approx(4.1)
    for _ in range(400):
        optimizer.zero_grad()
        weights(large, small).backward()
        optimizer.step()
    # d/ds (exp(-s) l + s) = 0 at s = log l
    assert weights.log_variance.exp().tolist() == pytest.approx([4.0, 0.1], rel=1e-2)
