"""Losses by name."""

from __future__ import annotations

import sys

import processes
import pytest
import torch

from litemono.losses.registry import LOSSES, loss_function
from litemono.utils.errors import UserError


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_is_a_scalar_with_a_gradient(name):
    g = torch.Generator().manual_seed(0)
    prediction = (1 + torch.rand(2, 8, 9, generator=g)).requires_grad_()
    target, mask = 1 + torch.rand(2, 8, 9, generator=g), torch.rand(2, 8, 9, generator=g) < 0.5
    loss = loss_function(name)(prediction, target, mask)
    loss.backward()
    assert loss.shape == () and loss > 0
    assert prediction.grad.isfinite().all() and prediction.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_relative_loss_ignores_scale_and_shift_and_a_metric_one_does_not(name):
    g = torch.Generator().manual_seed(0)
    prediction, target = (1 + torch.rand(2, 8, 9, dtype=torch.float64, generator=g) for _ in range(2))
    mask = torch.ones_like(target, dtype=torch.bool)
    before, after = (loss_function(name)(p, target, mask).item() for p in (prediction, 2 * prediction + 3))
    assert (before == pytest.approx(after, rel=1e-9)) == (LOSSES[name].prediction == "relative")


def test_another_name_is_refused_with_the_names_there_are():
    with pytest.raises(
        UserError, match="--loss l2: there is no such loss; choose one of silog, .*ssi-trimmed"
    ) as refused:
        loss_function("l2")
    for name in str(refused.value).partition("choose one of ")[2].split(", "):
        assert callable(loss_function(name))


def test_names_are_read_without_torch():
    code = "import sys; sys.modules['torch'] = None; from litemono.losses.registry import LOSSES; print(*LOSSES)"
    finished = processes.run([sys.executable, "-c", code])
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == list(LOSSES)
