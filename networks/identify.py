"""Which network a file of tensors was saved from, so that an error can name the flag that would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

import networks
from networks.pose import RESNETS

Test = Callable[[Mapping[str, object], Mapping[str, object]], bool]  # (wanted, given): files.fits or files.equal


def depth_variants(content: Mapping[str, object], part: str, test: Test) -> list[str]:
    """Variants whose `part` ("encoder" or "decoder") passes `test` with `content`: one, none, or two with one decoder."""
    with torch.device("meta"):
        nets = {name: networks.create(name, height=192, width=640) for name in networks.names()}
    return [name for name, net in nets.items() if test(getattr(net, part).state_dict(), content)]


def pose_layers(content: Mapping[str, object], part: str, test: Test) -> list[int]:
    """ResNet depths whose pose `part` passes `test` with `content`."""
    with torch.device("meta"):
        nets = {layers: networks.create_pose(layers) for layers in RESNETS}
    return [layers for layers, net in nets.items() if test(getattr(net, part).state_dict(), content)]
