"""Scale-and-shift-invariant losses and gradient matching, against the published numbers and the papers' own."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from goldens import assert_close
from supervised_goldens import VALUE, Kit, Sample, assert_golden, value_and_gradient

from litemono.losses.gradient_matching import gradient_matching
from litemono.losses.scale_shift import lower_median, normalised, scale_and_shift, smallest, ssi_mse, ssi_trimmed_mae

SOLVABLE = ("dense", "sparse", "majority_valid", "outliers", "exact_affine", "negative_slope")
DEGENERATE = ("constant_prediction", "one_pixel", "one_empty_image", "all_empty")
CASES = (*SOLVABLE, "nearly_constant", *DEGENERATE)
trimmed = functools.partial(ssi_trimmed_mae, alpha=0.0)


@pytest.fixture(scope="module")
def kit(parity_supervised) -> Kit:
    return Kit(parity_supervised / "ssi.npz")


@pytest.fixture(scope="module")
def recommended(parity_supervised) -> Kit:
    """Our reading of the papers, where the published code fails."""
    return Kit(parity_supervised / "recommended.npz")


def random_sample(*shape: int) -> Sample:
    g = torch.Generator().manual_seed(1)
    prediction, target = (torch.rand(shape, dtype=torch.float64, generator=g) for _ in range(2))
    return Sample(prediction, target, torch.rand(shape, generator=g) < 0.6)


# ---------------------------------------------------------------- alignment


@pytest.mark.parametrize("case", CASES)
def test_scale_and_shift_are_the_least_squares_answer(kit, recommended, case):
    found = torch.stack(scale_and_shift(*kit.sample(case, "target")))[..., 0, 0]
    # nearly_constant: the kit solves the normal equations, which lose about ten digits there.
    tolerance = 1e-4 if case == "nearly_constant" else VALUE
    assert_close(found, recommended.arrays[f"{case}/scale_shift"], tolerance, case)


@pytest.mark.parametrize("case", [*SOLVABLE, *DEGENERATE])
def test_float32_finds_the_same_alignment(kit, recommended, case):
    """Also where the published float32 normal equations depend on rounding: constant prediction, one pixel."""
    prediction, target, mask = kit.sample(case, "target")
    found = torch.stack(scale_and_shift(prediction.float(), target.float(), mask))[..., 0, 0]
    assert_close(found, recommended.arrays[f"{case}/scale_shift"], 1e-4, case)


# ---------------------------------------------------------------- squared error and gradient matching


@pytest.mark.parametrize("case", [*SOLVABLE, "one_empty_image", "all_empty"])
@pytest.mark.parametrize("reduction", ["batch", "image"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_ssi_mse_is_the_published_one(kit, case, reduction, alpha):
    loss = functools.partial(ssi_mse, alpha=alpha, reduction=reduction)
    assert_golden(kit, f"{case}/ssi_mse_{reduction}_alpha{alpha}", loss, kit.sample(case, "target"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reduction", ["batch", "image"])
@pytest.mark.parametrize("scales", [1, 4])
def test_gradient_matching_is_the_published_one(kit, case, reduction, scales):
    loss = functools.partial(gradient_matching, scales=scales, reduction=reduction)
    assert_golden(kit, f"{case}/gradient_{reduction}_scales{scales}", loss, kit.sample(case, "target"))


def test_a_constant_prediction_is_compared_with_the_mean_target(kit):
    """Published: scale and shift 0, which more than doubles the loss."""
    prediction, target, mask = kit.sample("constant_prediction", "target")
    value, gradient = value_and_gradient(functools.partial(ssi_mse, alpha=0.0), Sample(prediction, target, mask))
    residuals = [t[m] - t[m].mean() for t, m in zip(target, mask, strict=True)]
    assert value == pytest.approx(torch.cat(residuals).square().mean().item() / 2, rel=1e-9)
    assert gradient.isfinite().all()


def test_one_valid_pixel_is_met_exactly(kit):
    value, gradient = value_and_gradient(ssi_mse, kit.sample("one_pixel", "target"))
    assert value == pytest.approx(0, abs=1e-12) and gradient.isfinite().all()


# ---------------------------------------------------------------- trimmed


@pytest.mark.parametrize("case", CASES)
def test_the_trimmed_loss_is_that_of_the_paper(kit, recommended, case):
    sample = kit.sample(case, "target")
    assert_golden(recommended, f"{case}/trimmed", trimmed, sample)
    assert_golden(recommended, f"{case}/trimmed_alpha0.5", ssi_trimmed_mae, sample)


@pytest.mark.parametrize("case", [*SOLVABLE, "nearly_constant"])
def test_normalised_maps_have_the_median_of_valid_pixels(kit, case):
    prediction, target, mask = kit.sample(case, "target")
    for name, x in (("pred", prediction), ("target", target)):
        expected = kit.arrays[f"{case}/normalised_valid_median_{name}"]
        assert_close(normalised(x, mask)[mask], expected[mask.numpy()], VALUE, f"{case} {name}")


@pytest.mark.parametrize(("trim", "kept"), [(0.0, [100, 35]), (0.2, [80, 28]), (0.5, [50, 17]), (1.0, [0, 0])])
def test_the_largest_residuals_of_each_image_are_left_out(trim, kept):
    """100 and 35 valid pixels. The published loss keeps all of them."""
    prediction, target, _ = random_sample(2, 10, 10)
    mask = torch.ones(2, 10, 10, dtype=torch.bool)
    mask[1].view(-1)[35:] = False
    residual = (normalised(prediction, mask) - normalised(target, mask)).abs()
    images = [
        residual[image][mask[image]].sort().values[:k].sum() / (2 * mask[image].sum()) for image, k in enumerate(kept)
    ]
    expected = torch.stack(images).mean().item()
    assert trimmed(prediction, target, mask, trim=trim).item() == pytest.approx(expected, rel=1e-12)


# ---------------------------------------------------------------- for any input


@pytest.mark.parametrize("loss", [ssi_mse, ssi_trimmed_mae, gradient_matching])
def test_the_gradient_is_the_derivative(loss):
    prediction, target, mask = random_sample(2, 6, 7)
    assert torch.autograd.gradcheck(lambda p: loss(p, target, mask), prediction.requires_grad_())


@pytest.mark.parametrize("loss", [ssi_mse, ssi_trimmed_mae, gradient_matching, trimmed])
def test_a_valid_prediction_that_is_not_finite_is_seen_in_the_loss(loss):
    prediction, target, mask = random_sample(2, 6, 7)
    mask[1, 2, 3] = True
    for value in (torch.nan, torch.inf):
        prediction[1, 2, 3] = value
        assert not loss(prediction, target, mask).isfinite()


@pytest.mark.parametrize("loss", [ssi_mse, ssi_trimmed_mae])
def test_scale_and_shift_of_the_prediction_do_not_matter(loss):
    prediction, target, mask = random_sample(2, 6, 7)
    assert loss(3 * prediction + 5, target, mask) == pytest.approx(loss(prediction, target, mask).item(), rel=1e-9)


def test_the_sort_is_stable_so_equal_predictions_get_the_same_gradient_in_every_run():
    prediction, target, mask = random_sample(1, 12, 12)
    rounded = Sample((prediction * 4).round(), target, mask)
    _, first = value_and_gradient(ssi_trimmed_mae, rounded)
    _, second = value_and_gradient(ssi_trimmed_mae, rounded)
    assert np.array_equal(first.numpy(), second.numpy())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_the_smallest_pixels_and_the_median_are_those_of_a_stable_sort(share):
    """Images with 0, 1, 2, some and all pixels valid, and with many equal values."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(6, (6, 9, 11), generator=generator).float()
    mask = torch.rand(6, 9, 11, generator=generator) < 0.4
    mask[0], mask[1], mask[2], mask[3] = False, False, False, True
    mask[1, 2, 3] = mask[2, 0, 0] = mask[2, 8, 10] = True
    kept, medians = smallest(x, mask, share), lower_median(x, mask)
    for values, valid, mine, median in zip(x, mask, kept, medians, strict=True):
        ordered = values[valid].sort(stable=True)
        count = math.floor(share * len(ordered.indices))
        expected = torch.zeros(len(ordered.indices), dtype=torch.bool)
        expected[ordered.indices[:count]] = True
        assert torch.equal(mine[valid], expected) and not mine[~valid].any()
        middle = ordered.values[(len(expected) - 1) // 2] if len(expected) else torch.nan
        assert median.item() == middle or median.isnan()
    assert medians[0].isnan() and not medians[1:].isnan().any()
