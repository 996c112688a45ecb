"""Which network a file of tensors was saved from, so that an error can name the flag that would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from networks.attention import kind_of
from networks.depth_net import DepthNet, create
from networks.pose import RESNETS, create_pose
from networks.refine import RefineNet, create_refiner
from networks.registry import REFINERS, SPECS, NetworkSpec

Test = Callable[[Mapping[str, Tensor], Mapping[str, object]], bool]  # (wanted, given): state_files.fits or .equal


def depth_variants(content: Mapping[str, object], part: str, test: Test) -> list[str]:
    """Networks whose `part` passes `test` with `content`: one, none, or two with one decoder.

    part: "encoder", "decoder" or "published", as in the networks' weights formats.
    """
    attention = kind_of(content)
    specs = [spec for spec in (*SPECS.values(), *REFINERS.values()) if part in dict(spec.weights.files)]
    for spec in specs:
        spec.load_constructor()  # libraries that cannot be imported with another default device
    with torch.device("meta"):
        nets = {spec.name: _created(spec, attention) for spec in specs}
    return [name for name, net in nets.items() if test(getattr(net, part).state_dict(), content)]


def _created(spec: NetworkSpec, attention: str) -> DepthNet | RefineNet:
    """The network, with that attention if it can have it."""
    height, width = 192, 640
    if spec.name in REFINERS:
        return create_refiner(spec.name, height=height, width=width)
    kind = attention if attention in spec.attentions else None
    return create(spec.name, height=height, width=width, attention=kind)


def pose_layers(content: Mapping[str, object], part: str, test: Test) -> list[int]:
    """ResNet depths whose pose `part` passes `test` with `content`."""
    with torch.device("meta"):
        nets = {layers: create_pose(layers) for layers in RESNETS}
    return [layers for layers, net in nets.items() if test(getattr(net, part).state_dict(), content)]
