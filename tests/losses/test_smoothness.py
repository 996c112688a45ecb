"""Edge-aware smoothness, against recorded numbers and against what must hold for any input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from goldens import assert_close
from hypothesis import given
from hypothesis import strategies as st
from photometric_goldens import PRECISIONS, image, quick, sizes

from litemono.losses.smoothness import smoothness


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
def test_smoothness_and_its_gradient_are_the_published_ones(loss_primitives, key, dtype, tolerance):
    disp = torch.from_numpy(loss_primitives["in/smooth_disp"]).to(dtype).requires_grad_()
    colour = torch.from_numpy(loss_primitives["in/smooth_img"]).to(dtype)
    value = smoothness(disp, colour)
    value.backward()
    assert_close(value, loss_primitives[f"{key}/smooth_loss_norm"], tolerance, "smoothness")
    assert_close(disp.grad, loss_primitives[f"{key}/smooth_grad_disp"], tolerance, "gradient of disparity")


@quick
@given(sizes, st.floats(0.1, 100), st.integers(0, 99))
def test_smoothness_does_not_depend_on_the_scale_of_disparity(size, factor, seed):
    disp = 0.1 + image(seed, *size, 1)[:, :1]
    colour = image(seed + 1, *size, 1)
    # 1e-5: the guard of 1e-7 beside a mean of at least 0.01.
    assert_close(
        smoothness(factor * disp, colour),
        smoothness(disp, colour),
        1e-5,
        f"disparity times {factor}",
    )


def test_flat_disparity_is_free_and_steps_are_cheaper_on_edges():
    step = torch.ones(1, 1, 6, 8)
    step[..., 4:] = 2
    plain, edge = torch.zeros(1, 3, 6, 8), torch.zeros(1, 3, 6, 8)
    edge[..., 4:] = 1
    assert smoothness(torch.ones(1, 1, 6, 8), edge) == 0
    # Exactly one column of steps, weighted by exp(-1).
    assert smoothness(step, edge) == pytest.approx(np.exp(-1) * smoothness(step, plain).item(), rel=1e-6)
