"""Object-weighted losses of refinement: the published values, and what they must answer where those fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from goldens import assert_close
from supervised_goldens import GRADIENT, VALUE, VALUE_FLOAT32, arrays

from litemono.losses import registry, robust, silog
from litemono.losses.object_weighted import object_weights
from litemono.losses.registry import object_weighted

PUBLISHED = {"mse": "mse", "mae": "l1", "msr": "msr", "rmsle": "rmsle"}  # name in the kit -> ours
SHARES = (1.0, 0.8, 0.5, 0.0)


@pytest.fixture(scope="module")
def kit(parity_supervised) -> dict[str, np.ndarray]:
    return arrays(parity_supervised / "refine.npz")


def maps(kit, dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    prediction, target, objects = (torch.from_numpy(kit[name])[:, 0] for name in ("pred", "gt", "object_mask"))
    return prediction.to(dtype).requires_grad_(), target.to(dtype), objects != 0


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("published", PUBLISHED)
def test_value_and_gradient_are_the_published_ones(kit, published, share):
    loss = object_weighted(PUBLISHED[published])
    prediction, target, objects = maps(kit)
    everywhere = torch.ones_like(objects)
    value = loss(prediction, target, everywhere, object_weights(objects, share))
    value.backward()
    key = f"{published}/lambda{share}"
    assert value.item() == pytest.approx(kit[f"{key}/value"].item(), rel=VALUE)
    assert_close(prediction.grad, kit[f"{key}/grad"][:, 0], GRADIENT, key)
    single, truth, objects = maps(kit, torch.float32)
    value = loss(single, truth, everywhere, object_weights(objects, share))
    assert value.item() == pytest.approx(kit[f"{key}/value"].item(), rel=VALUE_FLOAT32)


@pytest.mark.parametrize("name", registry.OBJECT_WEIGHTED)
def test_objects_alone_where_there_are_none_give_0_without_a_gradient(kit, name):
    """The published code divides 0 by 0 there."""
    prediction, target, objects = maps(kit)
    weights = object_weights(objects & False, 1.0)
    value = object_weighted(name)(1 + prediction, 1 + target, torch.ones_like(objects), weights)  # silog wants no zeros
    value.backward()
    assert value == 0 and not prediction.grad.any()


@pytest.mark.parametrize("name", registry.OBJECT_WEIGHTED)
def test_a_perfect_prediction_has_loss_and_gradient_0(kit, name):
    _, target, objects = maps(kit)
    prediction = target.clone().requires_grad_()
    object_weighted(name)(prediction, target, target > 0, object_weights(objects, 0.8)).backward()
    assert not prediction.grad.any()


def test_rmse_is_the_root_of_the_mean_square_and_not_the_mean_deviation(kit):
    prediction, target, objects = maps(kit)
    everywhere, weights = torch.ones_like(objects), object_weights(objects, 0.5)
    mse, rmse = (object_weighted(name)(prediction, target, everywhere, weights).item() for name in ("mse", "rmse"))
    assert rmse == pytest.approx(mse**0.5) and rmse != pytest.approx(kit["rmse_as_published/lambda0.5/value"].item())


@pytest.mark.parametrize("name, alike", [("l1", robust.l1), ("berhu", robust.berhu), ("silog", silog.bts)])
def test_without_weights_they_are_the_losses_of_finetune_and_unmeasured_pixels_do_not_count(kit, name, alike):
    prediction, target, objects = maps(kit)
    target[0, :4] = 0
    mask = target > 0
    expected = alike(prediction, target, mask).item()
    assert object_weighted(name)(prediction, target, mask).item() == pytest.approx(expected, rel=1e-12)
    if name != "silog":  # whose weights are shares of a mean
        half = object_weighted(name)(prediction, target, mask, object_weights(objects, 0.5)).item()
        assert half == pytest.approx(expected / 2, rel=1e-12)


def test_silog_with_weights_leaves_the_scale_almost_free(kit):
    """prediction = 2 target has variance 0 under any weights: 10 sqrt(0.15) log 2."""
    _, target, objects = maps(kit)
    target = target.clamp(min=0.1)
    value = object_weighted("silog")(2 * target, target, target > 0, object_weights(objects, 0.8)).item()
    assert value == pytest.approx(10 * 0.15**0.5 * np.log(2))
