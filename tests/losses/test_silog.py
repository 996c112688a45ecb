"""SILog and its presets: the published numbers, and 0 where the published code answers NaN."""

from __future__ import annotations

import functools

import pytest
import torch
from supervised_goldens import Kit, Sample, assert_golden, value_and_gradient

from litemono.losses import silog
from litemono.losses.silog import adabins, bts, depth_anything, eigen, zoedepth

PRESETS = {"bts_0.85": bts, "adabins": adabins, "zoedepth": zoedepth, "depth_anything_v2": depth_anything}
FOCUSES = {f"bts_{focus}": functools.partial(silog.silog, variance_focus=focus) for focus in (0.0, 0.5, 0.85, 1.0)}
POSITIVE = ("dense", "sparse", "far_off", "only_scaled", "constant", "perfect", "no_pixel", "one_empty_image")


@pytest.fixture(scope="module")
def kit(parity_supervised) -> Kit:
    return Kit(parity_supervised / "silog.npz")


def random_sample(*shape: int) -> Sample:
    g = torch.Generator().manual_seed(0)
    prediction, target = (1 + 10 * torch.rand(shape, dtype=torch.float64, generator=g) for _ in range(2))
    return Sample(prediction, target, torch.rand(shape, generator=g) < 0.3)


@pytest.mark.parametrize("case", POSITIVE)
@pytest.mark.parametrize("form", [*PRESETS, *FOCUSES])
def test_values_and_gradients_are_the_published_ones(kit, case, form):
    assert_golden(kit, f"{case}/{form}", {**PRESETS, **FOCUSES}[form], kit.sample(case, "gt"))


@pytest.mark.parametrize("case", POSITIVE)
def test_eigen_is_the_rooted_form_squared(kit, case):
    """The kit has lambda 0.5 with a root; the value is (bts_0.5 / 10)^2, its gradient follows by the chain rule."""
    sample = kit.sample(case, "gt")
    value, gradient = value_and_gradient(eigen, sample)
    rooted, rooted_gradient = value_and_gradient(FOCUSES["bts_0.5"], sample)
    assert value == pytest.approx((rooted / 10) ** 2, rel=1e-12)
    torch.testing.assert_close(gradient, rooted_gradient * rooted / 50, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("case", ["dense", "sparse", "far_off", "only_scaled", "constant", "has_zero", "has_negative"])
def test_eigen_on_the_scaled_maps_of_the_dpt_fork_is_its_loss(kit, case):
    """The fork compares pred / 255, clamped, with gt / 256; both are defects of the data, not of the formula."""
    low, high = 1e-3 / 255, 80 / 255

    def forked(prediction, target, mask):
        target = target / 256
        return eigen((prediction / 255).clamp(low, high), target, mask & (target > low) & (target < high))

    assert_golden(kit, f"{case}/dpt_fork", forked, kit.sample(case, "gt"))


@pytest.mark.parametrize("form", ["bts_0.0", "bts_0.85", "depth_anything_v2"])
def test_one_valid_pixel_is_enough(kit, form):
    assert_golden(kit, f"one_pixel/{form}", {**PRESETS, **FOCUSES}[form], kit.sample("one_pixel", "gt"))


@pytest.mark.parametrize("form", [adabins, zoedepth])
def test_the_unbiased_variance_of_one_pixel_is_zero(kit, form):
    """Published: NaN, by the division by n - 1."""
    sample = kit.sample("one_pixel", "gt")
    value, gradient = value_and_gradient(form, sample)
    g = (sample.prediction[sample.mask].log() - sample.target[sample.mask].log()).item()
    assert value == pytest.approx(10 * 0.15**0.5 * abs(g), rel=1e-6)
    assert gradient.isfinite().all() and gradient[sample.mask].abs() > 0


def test_a_prediction_of_half_the_size_is_enlarged_before_the_loss(kit):
    def enlarged(prediction, target, mask):
        full = torch.nn.functional.interpolate(prediction, target.shape[-2:], mode="bilinear", align_corners=True)
        return adabins(full, target, mask)

    assert_golden(kit, "upsampled/adabins", enlarged, kit.sample("upsampled", "gt"))


def test_zoedepth_accepts_a_prediction_of_zero(kit):
    assert_golden(kit, "has_zero/zoedepth", zoedepth, kit.sample("has_zero", "gt"))


@pytest.mark.parametrize("form", [bts, adabins, zoedepth, depth_anything, eigen])
def test_a_negative_prediction_is_not_finite_so_that_the_step_is_skipped(kit, form):
    prediction, target, mask = kit.sample("has_negative", "gt")
    assert not form(prediction, target, mask).isfinite()


@pytest.mark.parametrize("form", [bts, adabins, zoedepth, depth_anything, eigen])
def test_what_invalid_pixels_hold_does_not_matter(form):
    prediction, target, mask = random_sample(2, 6, 7)
    expected, gradient = value_and_gradient(form, Sample(prediction, target, mask))
    spoiled = Sample(prediction.where(mask, -1), target.where(mask, torch.nan), mask)
    value, found = value_and_gradient(form, spoiled)
    assert value == expected and torch.equal(found, gradient)
    assert not found[~mask].any()


def test_under_autocast_and_in_half_precision_the_loss_is_float32():
    prediction, target, mask = random_sample(2, 6, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = bts(prediction.bfloat16(), target.float(), mask)
    assert value.dtype == torch.float32
    assert value == bts(prediction.bfloat16().float(), target.float(), mask)


def test_the_gradient_is_the_derivative():
    prediction, target, mask = random_sample(1, 3, 4)
    for form in (bts, adabins, zoedepth, depth_anything, eigen):
        assert torch.autograd.gradcheck(lambda p, form=form: form(p, target, mask), prediction.clone().requires_grad_())
