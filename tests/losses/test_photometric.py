"""Photometric error, smoothness and auto-masking, against recorded numbers and against what must hold for any input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from goldens import F32, F64, assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

from litemono.losses import photometric

PRECISIONS = [("f64", torch.float64, F64), ("f32", torch.float32, F32)]
quick = settings(deadline=None, max_examples=30)
sizes = st.tuples(st.integers(2, 12), st.integers(2, 12))


@pytest.fixture(scope="module")
def goldens(parity: Path) -> dict[str, np.ndarray]:
    with np.load(parity / "loss_primitives.npz") as file:
        return dict(file)


def image(seed: int, height: int, width: int, *lead: int) -> torch.Tensor:
    return torch.rand(*lead, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def ssim_map(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W)"""
    return photometric.dissimilarity(x.unsqueeze(1), photometric.target(y)).squeeze(1)


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
def test_ssim_is_the_published_one(goldens, key, dtype, tolerance):
    x, y = (torch.from_numpy(goldens[f"in/ssim_{name}"]).to(dtype) for name in "xy")
    assert_close(ssim_map(x, y), goldens[f"{key}/ssim_map"], tolerance, "dissimilarity")


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize(
    ("name", "measure"), [("photo", photometric.photometric_error), ("photo_no_ssim", photometric.l1_error)]
)
def test_photometric_error_and_its_gradient_are_the_published_ones(goldens, key, dtype, tolerance, name, measure):
    x, y = (torch.from_numpy(goldens[f"in/ssim_{n}"]).to(dtype) for n in "xy")
    x.requires_grad_()
    error = measure(x.unsqueeze(1), photometric.target(y))
    error.mean().backward()
    assert_close(error, goldens[f"{key}/{name}_map"], tolerance, "error map")
    assert_close(x.grad, goldens[f"{key}/{name}_grad_pred_of_mean"], tolerance, "gradient of the mean error")


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
def test_smoothness_and_its_gradient_are_the_published_ones(goldens, key, dtype, tolerance):
    disp = torch.from_numpy(goldens["in/smooth_disp"]).to(dtype).requires_grad_()
    colour = torch.from_numpy(goldens["in/smooth_img"]).to(dtype)
    value = photometric.smoothness(disp, colour)
    value.backward()
    assert_close(value, goldens[f"{key}/smooth_loss_norm"], tolerance, "smoothness")
    assert_close(disp.grad, goldens[f"{key}/smooth_grad_disp"], tolerance, "gradient of disparity")


@settings(deadline=None, max_examples=8)
@given(st.tuples(st.integers(2, 5), st.integers(2, 5)), st.integers(0, 99))
def test_photometric_gradient_is_the_derivative(size, seed):
    """Random images are away from the clamp and from equal values, where the error has no derivative."""
    candidates = image(seed, *size, 1, 2).requires_grad_()
    reference = photometric.target(image(seed + 1000, *size, 1))
    assert torch.autograd.gradcheck(lambda x: photometric.photometric_error(x, reference), candidates)


@quick
@given(sizes, st.integers(0, 99))
def test_the_mean_and_its_transpose_agree(size, seed):
    """<A x, y> = <x, A' y>: what the hand-written backward rests on."""
    x, y = image(seed, *size, 1), image(seed + 1, *size, 1)
    forward = (photometric._mean3x3(photometric._reflect(x)) * y).sum()
    assert forward.item() == pytest.approx((x * photometric._mean3x3_adjoint(y)).sum().item(), rel=1e-12)


@quick
@given(sizes, st.integers(0, 99))
def test_an_image_equals_itself_and_difference_is_symmetric(size, seed):
    x, y = image(seed, *size, 1), image(seed + 1, *size, 1)
    # 1e-12: E[x^2] - E[x]^2 in float64, against C2 = 9e-4.
    assert ssim_map(x, x).max() < 1e-12
    assert photometric.photometric_error(x.unsqueeze(1), photometric.target(x)).max() < 1e-12
    assert_close(ssim_map(x, y), ssim_map(y, x), 1e-12, "SSIM the other way round")
    assert ssim_map(x, y).min() >= 0
    assert ssim_map(x, y).max() <= 1


def test_equal_images_have_no_gradient():
    x = image(0, 8, 8, 1, 1).requires_grad_()
    photometric.photometric_error(x, photometric.target(x.detach())).sum().backward()
    # 1e-9: where the images are equal SSIM has its maximum; what is left is rounding over C2.
    assert x.grad.abs().max() < 1e-9


def test_candidates_are_judged_one_by_one():
    """Stacking views must not mix them: each is compared with the target of its own sample."""
    candidates, colour = image(0, 9, 11, 2, 3), image(1, 9, 11, 2)
    together = photometric.photometric_error(candidates, photometric.target(colour))
    for b in range(2):
        for s in range(3):
            alone = photometric.photometric_error(
                candidates[b : b + 1, s : s + 1], photometric.target(colour[b : b + 1])
            )
            assert_close(together[b, s], alone[0, 0], 1e-12, f"sample {b}, view {s}")


@quick
@given(sizes, st.floats(0.1, 100), st.integers(0, 99))
def test_smoothness_does_not_depend_on_the_scale_of_disparity(size, factor, seed):
    disp = 0.1 + image(seed, *size, 1)[:, :1]
    colour = image(seed + 1, *size, 1)
    # 1e-5: the guard of 1e-7 beside a mean of at least 0.01.
    assert_close(
        photometric.smoothness(factor * disp, colour),
        photometric.smoothness(disp, colour),
        1e-5,
        f"disparity times {factor}",
    )


def test_flat_disparity_is_free_and_steps_are_cheaper_on_edges():
    step = torch.ones(1, 1, 6, 8)
    step[..., 4:] = 2
    plain, edge = torch.zeros(1, 3, 6, 8), torch.zeros(1, 3, 6, 8)
    edge[..., 4:] = 1
    assert photometric.smoothness(torch.ones(1, 1, 6, 8), edge) == 0
    # Exactly one column of steps, weighted by exp(-1).
    assert photometric.smoothness(step, edge) == pytest.approx(
        np.exp(-1) * photometric.smoothness(step, plain).item(), rel=1e-6
    )


@quick
@given(st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_the_minimum_is_no_larger_than_any_candidate(views, automasking, seed):
    g = torch.Generator().manual_seed(seed)
    reprojected = torch.rand(2, views, 5, 7, generator=g)
    identity = torch.rand(2, views, 5, 7, generator=g) if automasking else None
    best, automask = photometric.per_pixel_minimum(reprojected, identity)
    candidates = reprojected if identity is None else torch.cat([identity, reprojected], dim=1)
    assert torch.equal(best, candidates.amin(1, keepdim=True))
    if automask is None:
        assert identity is None
    else:
        assert torch.equal(automask, candidates.argmin(1, keepdim=True) >= views)


def test_still_pixels_win_ties_and_get_no_gradient():
    reprojected = torch.tensor([[[[0.2, 0.1]], [[0.2, 0.3]]]], requires_grad=True)
    best, automask = photometric.per_pixel_minimum(reprojected, torch.full((1, 2, 1, 2), 0.2))
    best.sum().backward()
    assert automask.flatten().tolist() == [False, True]
    assert reprojected.grad.flatten().tolist() == [0, 1, 0, 0]


def test_of_two_equal_views_the_first_gets_the_whole_gradient():
    reprojected = torch.full((1, 2, 1, 1), 0.1, requires_grad=True)
    photometric.per_pixel_minimum(reprojected, None)[0].sum().backward()
    assert reprojected.grad.flatten().tolist() == [1, 0]


def test_tie_break_noise_is_drawn_anew_and_can_be_left_out():
    errors = torch.zeros(1, 2, 64, 64)
    assert photometric.tie_break(errors, 0.0) is errors
    first, second = photometric.tie_break(errors, 1e-5), photometric.tie_break(errors, 1e-5)
    assert not torch.equal(first, second)
    # 8192 draws: the standard deviation is known to 0.8 %; 5 % leaves no chance to fail.
    assert first.std() == pytest.approx(1e-5, rel=0.05)
