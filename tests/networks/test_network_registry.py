"""The registry: what is said of networks without building them, and that the networks keep to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import processes
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import networks
from litemono.tasks.monodepth.settings import LossConfig, Model, TrainConfig
from networks import registry
from networks.registry import InputRule

ROOT = Path(__file__).resolve().parents[2]


def test_listing_networks_does_not_import_torch():
    script = (
        "import sys, networks, networks.registry\n"
        "names = networks.names()\n"
        "networks.NetworkError, networks.registry.get(names[0]).input.nearest(370, 1226)\n"
        "loaded = {'torch', 'timm', 'numpy'} & set(sys.modules)\n"
        "assert names and not loaded, loaded\n"
        "assert networks.DepthNet and networks.create_pose and 'torch' in sys.modules\n"
    )
    done = processes.run([sys.executable, "-c", script], cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_an_attribute_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'networks' has no attribute 'crate'"):
        _ = networks.crate


def test_flags_take_the_names_of_the_registry():
    assert networks.names() == [*registry.SPECS]
    assert [*get_args(Model)] == networks.names("disparity")
    assert TrainConfig().model.model in get_args(Model)
    assert set(LossConfig().scales) <= set(registry.get(TrainConfig().model.model).scales)


def test_networks_are_listed_by_what_they_predict():
    assert networks.names("relative") == ["dpt-hybrid", "dpt-large", "dpt-tiny", "midas-v21", "midas-small"]
    assert {*networks.names("disparity")} | {*networks.names("relative")} == {*networks.names()}


LARGE = {"dpt-hybrid", "dpt-large", "midas-v21"}  # 0.4 to 1.4 GB


@pytest.mark.parametrize("name", networks.names())
def test_a_network_is_what_its_entry_says(name):
    spec = registry.get(name)
    height = width = spec.input.nearest(64, 64)[0]
    device = "meta" if name in LARGE else "cpu"
    with torch.device(device):
        net = networks.create(name, height=height, width=width).eval()
    with torch.no_grad():
        maps = net(torch.rand(1, 3, height, width, device=device))
    assert (net.spec, net.name, net.scales) == (spec, name, spec.scales)
    assert [m.shape for m in maps] == [(1, 1, height >> s, width >> s) for s in spec.scales]
    if spec.output == "disparity":
        assert all(((m > 0) & (m < 1)).all() for m in maps)
    elif device == "cpu":
        assert all((m >= 0).all() for m in maps)
    for part, _ in spec.weights.files:
        assert getattr(net, part).state_dict()


@given(height=st.integers(1, 5000), width=st.integers(1, 5000), multiple=st.integers(1, 64), smallest=st.integers(1, 4))
def test_the_nearest_size_fits_and_no_other_is_nearer(height, width, multiple, smallest):
    rule = InputRule(multiple, smallest * multiple)
    nearest = rule.nearest(height, width)
    assert rule.fits(*nearest)
    for length, near in zip((height, width), nearest, strict=True):
        assert abs(near - length) <= multiple / 2 or near == rule.smallest
    assert not rule.fits(height, width) or nearest == (height, width)


def test_sizes_of_kitti_are_brought_to_their_neighbours():
    rule = registry.get("lite-mono").input
    assert rule.nearest(370, 1226) == (384, 1216)
    assert rule.nearest(192, 640) == (192, 640)
    assert rule.nearest(38, 122) == (32, 128)
