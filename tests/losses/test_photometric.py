"""Photometric error and auto-masking as the papers write them, against recorded numbers and for any input."""

from __future__ import annotations

import pytest
import torch
from goldens import assert_close
from hypothesis import given
from hypothesis import strategies as st
from photometric_goldens import PRECISIONS, image, quick, sizes

from litemono.losses.photometric import l1_error, per_pixel_minimum, photometric_error, ssim, tie_break


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
def test_ssim_is_the_published_one(loss_primitives, key, dtype, tolerance):
    """Recorded is (1 - SSIM) / 2, clamped to [0, 1]."""
    x, y = (torch.from_numpy(loss_primitives[f"in/ssim_{name}"]).to(dtype) for name in "xy")
    assert_close(((1 - ssim(x, y)) / 2).clamp(0, 1), loss_primitives[f"{key}/ssim_map"], tolerance, "dissimilarity")


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize(("name", "measure"), [("photo", photometric_error), ("photo_no_ssim", l1_error)])
def test_photometric_error_and_its_gradient_are_the_published_ones(
    loss_primitives, key, dtype, tolerance, name, measure
):
    x, y = (torch.from_numpy(loss_primitives[f"in/ssim_{n}"]).to(dtype) for n in "xy")
    x.requires_grad_()
    error = measure(x, y)
    error.mean().backward()
    assert_close(error, loss_primitives[f"{key}/{name}_map"], tolerance, "error map")
    assert_close(x.grad, loss_primitives[f"{key}/{name}_grad_pred_of_mean"], tolerance, "gradient of the mean error")


@quick
@given(sizes, st.integers(0, 99))
def test_an_image_equals_itself_and_ssim_is_symmetric(size, seed):
    x, y = image(seed, *size, 1), image(seed + 1, *size, 1)
    # 1e-12: E[x^2] - E[x]^2 in float64, against C2 = 9e-4.
    assert_close(ssim(x, x), torch.ones_like(x), 1e-12, "SSIM of equal images")
    assert photometric_error(x, x).max() < 1e-12
    assert_close(ssim(x, y), ssim(y, x), 1e-12, "SSIM with arguments exchanged")
    assert ssim(x, y).abs().max() <= 1


@quick
@given(st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_the_minimum_is_no_larger_than_any_candidate(views, automasking, seed):
    g = torch.Generator().manual_seed(seed)
    reprojected = torch.rand(2, views, 5, 7, generator=g)
    identity = torch.rand(2, views, 5, 7, generator=g) if automasking else None
    best, automask = per_pixel_minimum(reprojected, identity)
    candidates = reprojected if identity is None else torch.cat([identity, reprojected], dim=1)
    assert torch.equal(best, candidates.amin(1, keepdim=True))
    if automask is None:
        assert identity is None
    else:
        assert torch.equal(automask, candidates.argmin(1, keepdim=True) >= views)


def test_still_pixels_win_ties_and_get_no_gradient():
    reprojected = torch.tensor([[[[0.2, 0.1]], [[0.2, 0.3]]]], requires_grad=True)
    best, automask = per_pixel_minimum(reprojected, torch.full((1, 2, 1, 2), 0.2))
    best.sum().backward()
    assert automask.flatten().tolist() == [False, True]
    assert reprojected.grad.flatten().tolist() == [0, 1, 0, 0]


def test_of_two_equal_views_the_first_gets_the_whole_gradient():
    reprojected = torch.full((1, 2, 1, 1), 0.1, requires_grad=True)
    per_pixel_minimum(reprojected, None)[0].sum().backward()
    assert reprojected.grad.flatten().tolist() == [1, 0]


def test_tie_break_noise_is_drawn_anew_and_can_be_left_out():
    errors = torch.zeros(1, 2, 64, 64)
    assert tie_break(errors, 0.0) is errors
    first, second = tie_break(errors, 1e-5), tie_break(errors, 1e-5)
    assert not torch.equal(first, second)
    # 8192 draws: the standard deviation is known to 0.8 %; 5 % leaves no chance to fail.
    assert first.std() == pytest.approx(1e-5, rel=0.05)
