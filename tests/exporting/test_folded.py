"""The form of Lite-Mono that is exported against the form that is trained."""

from __future__ import annotations

import pytest
import torch
from parity_recipes import fill
from torch import nn

import networks
from litemono.exporting.folded import SplitHalving, folded
from networks.lite_mono import Halving
from networks.lite_mono_variants import VARIANTS


def filled(name: str) -> nn.Module:
    """In float64, with weights that all count: the layer scales of a fresh network, 1e-6, would hide its blocks."""
    net = networks.create(name, height=64, width=96).double().eval()
    fill(net)
    return net


@pytest.mark.parametrize("name", VARIANTS)
def test_folded_blocks_predict_what_the_trained_ones_do(name):
    net = filled(name)
    image = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        expected, found = net(image), folded(net)(image)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)


def test_the_network_itself_stays_as_it_is():
    net = filled("lite-mono-tiny")
    before = {key: value.clone() for key, value in net.state_dict().items()}
    folded(net)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_no_features_are_concatenated_with_the_image():
    kinds = {type(part) for part in folded(filled("lite-mono-tiny")).modules()}
    assert SplitHalving in kinds and Halving not in kinds


def test_neither_linear_layers_nor_batch_norms_of_blocks_are_left():
    kinds = [type(part) for part in folded(filled("lite-mono-tiny")).encoder.stages.modules()]
    assert not {nn.Linear, nn.BatchNorm2d, nn.LayerNorm} & set(kinds)
