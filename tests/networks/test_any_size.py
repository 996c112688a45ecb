"""Networks on images of sizes that they do not compute at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from goldens import assert_within
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_recipes import fill, model_input

import networks


@pytest.fixture(scope="module")
def net() -> networks.DepthNet:
    net = networks.create("lite-mono-tiny", height=38, width=122).eval()
    fill(net.encoder)
    fill(net.decoder)
    return net


@settings(max_examples=10, deadline=None)
@given(height=st.integers(32, 100), width=st.integers(32, 150))
def test_the_prediction_has_the_size_of_the_image(net, height, width):
    with torch.no_grad():
        disps = net(torch.rand(2, 3, height, width))
    assert [tuple(d.shape) for d in disps] == [(2, 1, height >> s, width >> s) for s in net.scales]
    assert all(((d > 0) & (d < 1)).all() for d in disps)


def test_sizes_that_fit_pass_unchanged(net):
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for p, q in zip(net(image), net.decoder(net.encoder(image)), strict=True):
            assert torch.equal(p, q)


def test_the_result_of_a_size_between_is_that_of_its_neighbour_resized(net):
    """The same picture at 96x320 and a few pixels off: the maps agree up to what resizing does to a random picture."""
    image = model_input(96, 320)
    with torch.no_grad():
        exact = net(image)
        for size in ((93, 313), (98, 322)):
            near = net(torch.nn.functional.interpolate(image, size, mode="bilinear", align_corners=False))
            for p, q in zip(exact, near, strict=True):
                back = torch.nn.functional.interpolate(q, p.shape[-2:], mode="bilinear", align_corners=False)
                correlation = np.corrcoef(back.flatten(), p.flatten())[0, 1]
                assert correlation > 0.9, (size, tuple(q.shape), correlation)


def test_a_network_keeps_the_size_it_was_asked_for():
    net = networks.create("lite-mono", height=370, width=1226)
    assert (net.height, net.width) == (370, 1226)


def test_dilations_are_those_of_the_size_that_is_computed():
    """The published 1024x320 set: a neighbour of that size is computed there."""
    between, exact = (networks.create("lite-mono", height=h, width=w) for h, w in ((318, 1020), (320, 1024)))
    for one, other in zip(between.encoder.stages, exact.encoder.stages, strict=True):
        assert [b.ddwconv.conv.dilation for b in [*one][:-1]] == [b.ddwconv.conv.dilation for b in [*other][:-1]]


def test_gradients_reach_every_trained_weight_and_the_image():
    torch.manual_seed(0)
    net = networks.create("lite-mono-tiny", height=38, width=122).train()
    image = torch.rand(2, 3, 38, 122, requires_grad=True)
    sum(disp.mean() for disp in net(image)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)
    assert image.grad.isfinite().all() and image.grad.any()


def test_double_precision_agrees_with_single(net):
    image = torch.rand(1, 3, 45, 70)
    with torch.no_grad():
        single = net(image)
        double = networks.create("lite-mono-tiny", height=45, width=70).double().eval()
        double.load_state_dict(net.state_dict())
        for p, q in zip(single, double(image.double()), strict=True):
            assert q.dtype == torch.float64
            assert_within(p.double().numpy(), q.numpy(), "disparity", atol=1e-6)  # as at sizes that fit
