"""The hand-written gradient of the photometric error, against the plain version and against recorded numbers."""

from __future__ import annotations

import pytest
import torch
from goldens import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from photometric_goldens import PRECISIONS, image, quick, sizes
from torch import Tensor

from litemono.losses import photometric, photometric_fused

# float32: SSIM divides differences of means by C2 = 9e-4, which enlarges rounding in another order of operations.
AGAINST_PLAIN = [(torch.float64, 1e-9), (torch.float32, 1e-4)]


def ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """(B, 3, H, W)"""
    return photometric_fused.dissimilarity(x.unsqueeze(1), photometric_fused.target(y)).squeeze(1)


def plain_error(candidates: Tensor, target: Tensor) -> Tensor:
    """(B, S, H, W), one view after the other."""
    return torch.cat([photometric.photometric_error(view, target) for view in candidates.unbind(1)], dim=1)


def candidates_of(kind: str, target: Tensor) -> Tensor:
    """Two views (B, 2, 3, H, W): without relation to the target, close to it, or its negative (SSIM below 0)."""
    other = image(7, *target.shape[-2:], len(target), 2).to(target)
    view = target.unsqueeze(1).expand_as(other)
    return {"random": other, "near": 0.9 * view + 0.1 * other, "negative": 0.9 * (1 - view) + 0.05 * other}[kind]


@pytest.mark.parametrize(("dtype", "tolerance"), AGAINST_PLAIN)
@pytest.mark.parametrize("size", [(2, 2), (3, 5), (24, 40)])
@pytest.mark.parametrize("kind", ["random", "near", "negative"])
def test_values_and_gradients_are_those_of_the_plain_version(kind, size, dtype, tolerance):
    target = image(3, *size, 2).to(dtype)
    weights = torch.rand(2, 2, *size, dtype=dtype, generator=torch.Generator().manual_seed(4))
    candidates = candidates_of(kind, target)
    plain, fused = (candidates.clone().requires_grad_() for _ in range(2))
    expected = plain_error(plain, target)
    found = photometric_fused.photometric_error(fused, photometric_fused.target(target))
    assert_close(found, expected, tolerance, "error map")
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    assert_close(fused.grad, plain.grad, tolerance, "gradient of the candidates")


def test_l1_is_that_of_the_plain_version():
    target, candidates = image(0, 5, 6, 2), image(1, 5, 6, 2, 3)
    found = photometric_fused.l1_error(candidates, photometric_fused.target(target))
    expected = torch.cat([photometric.l1_error(view, target) for view in candidates.unbind(1)], dim=1)
    assert_close(found, expected, 1e-12, "L1")


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
def test_ssim_is_the_published_one(loss_primitives, key, dtype, tolerance):
    x, y = (torch.from_numpy(loss_primitives[f"in/ssim_{name}"]).to(dtype) for name in "xy")
    assert_close(ssim_map(x, y), loss_primitives[f"{key}/ssim_map"], tolerance, "dissimilarity")


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize(
    ("name", "measure"), [("photo", photometric_fused.photometric_error), ("photo_no_ssim", photometric_fused.l1_error)]
)
def test_photometric_error_and_its_gradient_are_the_published_ones(
    loss_primitives, key, dtype, tolerance, name, measure
):
    x, y = (torch.from_numpy(loss_primitives[f"in/ssim_{n}"]).to(dtype) for n in "xy")
    x.requires_grad_()
    error = measure(x.unsqueeze(1), photometric_fused.target(y))
    error.mean().backward()
    assert_close(error, loss_primitives[f"{key}/{name}_map"], tolerance, "error map")
    assert_close(x.grad, loss_primitives[f"{key}/{name}_grad_pred_of_mean"], tolerance, "gradient of the mean error")


@settings(deadline=None, max_examples=8)
@given(st.tuples(st.integers(2, 5), st.integers(2, 5)), st.integers(0, 99))
def test_photometric_gradient_is_the_derivative(size, seed):
    """Random images are away from the clamp and from equal values, where the error has no derivative."""
    candidates = image(seed, *size, 1, 2).requires_grad_()
    reference = photometric_fused.target(image(seed + 1000, *size, 1))
    assert torch.autograd.gradcheck(lambda x: photometric_fused.photometric_error(x, reference), candidates)


@quick
@given(sizes, st.integers(0, 99))
def test_the_mean_and_its_transpose_agree(size, seed):
    """<A x, y> = <x, A' y>: what the hand-written backward rests on."""
    x, y = image(seed, *size, 1), image(seed + 1, *size, 1)
    forward = (photometric_fused._mean3x3(photometric_fused._reflect(x)) * y).sum()
    assert forward.item() == pytest.approx((x * photometric_fused._mean3x3_adjoint(y)).sum().item(), rel=1e-12)


@quick
@given(sizes, st.integers(0, 99))
def test_an_image_equals_itself_and_difference_is_symmetric(size, seed):
    x, y = image(seed, *size, 1), image(seed + 1, *size, 1)
    # 1e-12: E[x^2] - E[x]^2 in float64, against C2 = 9e-4.
    assert ssim_map(x, x).max() < 1e-12
    assert photometric_fused.photometric_error(x.unsqueeze(1), photometric_fused.target(x)).max() < 1e-12
    assert_close(ssim_map(x, y), ssim_map(y, x), 1e-12, "SSIM the other way round")
    assert ssim_map(x, y).min() >= 0
    assert ssim_map(x, y).max() <= 1


def test_equal_images_have_no_gradient():
    x = image(0, 8, 8, 1, 1).requires_grad_()
    photometric_fused.photometric_error(x, photometric_fused.target(x.detach())).sum().backward()
    # 1e-9: where the images are equal SSIM has its maximum; what is left is rounding over C2.
    assert x.grad.abs().max() < 1e-9


def test_candidates_are_judged_one_by_one():
    """Stacking views must not mix them: each is compared with the target of its own sample."""
    candidates, colour = image(0, 9, 11, 2, 3), image(1, 9, 11, 2)
    together = photometric_fused.photometric_error(candidates, photometric_fused.target(colour))
    for b in range(2):
        for s in range(3):
            alone = photometric_fused.photometric_error(
                candidates[b : b + 1, s : s + 1], photometric_fused.target(colour[b : b + 1])
            )
            assert_close(together[b, s], alone[0, 0], 1e-12, f"sample {b}, view {s}")
