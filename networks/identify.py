"""Which network a file of tensors was saved from, so that an error can name the flag that would make it fit."""

from __future__ import annotations

from collections.abc import Mapping

import torch

import networks
from networks import files
from networks.pose import RESNETS


def depth_variants(content: Mapping[str, object], part: str) -> list[str]:
    """Variants whose `part` ("encoder" or "decoder") finds all its tensors in `content`; often one, or none."""
    with torch.device("meta"):
        nets = {name: networks.create(name, height=192, width=640) for name in networks.list()}
    return [name for name, net in nets.items() if files.fits(getattr(net, part).state_dict(), content)]


def pose_layers(content: Mapping[str, object], part: str) -> list[int]:
    """ResNet depths whose pose `part` finds all its tensors in `content`."""
    with torch.device("meta"):
        nets = {layers: networks.create_pose(layers) for layers in RESNETS}
    return [layers for layers, net in nets.items() if files.fits(getattr(net, part).state_dict(), content)]
