"""Relative inverse depth to metres."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from networks.metric_head import METRIC_HEADS, MetricHead


@pytest.mark.parametrize("where", METRIC_HEADS)
def test_metres_are_the_published_ones(parity_supervised, where):
    golden = json.loads((parity_supervised / "arithmetic.json").read_text())["invert_head"][where]
    head = METRIC_HEADS[where]
    assert (head.scale, head.shift) == (golden["scale"], golden["shift"])
    relative = torch.tensor(golden["inverse_depth"])
    # In float32 scale r + shift loses digits where the two nearly cancel: the last depth is 383 km.
    np.testing.assert_allclose(head(relative)[:-1], golden["depth"][:-1], rtol=1e-6)
    np.testing.assert_allclose(head(relative)[-1:], golden["depth"][-1:], rtol=2e-2)


def test_an_inverse_depth_of_nothing_is_the_largest_depth_and_has_no_gradient():
    relative = torch.tensor([-1e6, 0.0, 100.0], dtype=torch.double, requires_grad=True)
    depth = METRIC_HEADS["kitti"](relative)
    assert depth.tolist() == pytest.approx([1e8, 1 / 0.00579, 1 / (0.006016 + 0.00579)])
    depth.sum().backward()
    assert relative.grad[0] == 0 and (relative.grad[1:] < 0).all()


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_half_precision_becomes_float32_before_the_shift_is_added(dtype):
    relative = torch.tensor([0.0, 16.0, 1024.0], dtype=dtype)
    depth = MetricHead(scale=1e-6, shift=1e-3)(relative)
    assert depth.dtype == torch.float32
    assert depth.tolist() == pytest.approx([1 / 0.001, 1 / 0.001016, 1 / 0.002024], rel=1e-6)
