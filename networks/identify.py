"""Which network a file of tensors was saved from, so that an error can name the flag that would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from networks.depth_net import create
from networks.pose import RESNETS, create_pose
from networks.registry import SPECS

Test = Callable[[Mapping[str, Tensor], Mapping[str, object]], bool]  # (wanted, given): state_files.fits or .equal


def depth_variants(content: Mapping[str, object], part: str, test: Test) -> list[str]:
    """Networks whose `part` ("encoder" or "decoder") passes `test` with `content`: one, none, or two with one decoder."""
    names = [spec.name for spec in SPECS.values() if part in dict(spec.weights.files)]
    with torch.device("meta"):
        nets = {name: create(name, height=192, width=640) for name in names}
    return [name for name, net in nets.items() if test(getattr(net, part).state_dict(), content)]


def pose_layers(content: Mapping[str, object], part: str, test: Test) -> list[int]:
    """ResNet depths whose pose `part` passes `test` with `content`."""
    with torch.device("meta"):
        nets = {layers: create_pose(layers) for layers in RESNETS}
    return [layers for layers, net in nets.items() if test(getattr(net, part).state_dict(), content)]
