"""The pose network: two frames -> the camera's motion between them. Godard et al. 2019, section 3.3."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from networks.depth_decoder import initialise_decoder
from networks.errors import NetworkError
from networks.layers import full_precision, normalise
from networks.registry import MONODEPTH2

# layers -> timm's name of the ImageNet weights that the field's numbers were made with (torchvision's first ones)
RESNETS = {18: "resnet18.tv_in1k", 34: "resnet34.tv_in1k", 50: "resnet50.tv_in1k"}


class PoseNet(nn.Module):
    """Frames first and second, (B, 3, H, W) in [0, 1] -> (axisangle (B, 3) radians, translation (B, 3)).

    The motion takes points from first's camera to second's; `first` is the earlier frame. Translation has the
    (unknown) unit of the depth network.
    """

    def __init__(self, num_layers: int):
        super().__init__()
        self.num_layers = num_layers
        self.encoder = PoseEncoder(num_layers)
        self.decoder = PoseDecoder(self.encoder.encoder.num_features)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        axisangle, translation = full_precision(self.decoder, self.encoder(torch.cat([first, second], dim=1))[-1])
        return axisangle[:, 0, 0], translation[:, 0, 0]


def create_pose(num_layers: int = 18) -> PoseNet:
    """A pose network on a randomly initialised ResNet. Raises NetworkError for other depths than those of RESNETS."""
    if num_layers not in RESNETS:
        raise NetworkError(f"there is no ResNet-{num_layers} pose encoder; choose from {', '.join(map(str, RESNETS))}")
    return PoseNet(num_layers)


class PoseEncoder(nn.Module):
    """Two frames on channels, (B, 6, H, W) in [0, 1] -> five feature maps at 1/2 ... 1/32."""

    def __init__(self, num_layers: int):
        super().__init__()
        # zero_init_last would start every residual branch at zero, which the published training does not.
        # timm adds its layers by name, so that a type checker sees none of them.
        self.encoder: Any = timm.create_model(f"resnet{num_layers}", in_chans=6, zero_init_last=False)
        # In every published file, but never run: without a gradient distributed training need not look for one.
        self.encoder.fc.requires_grad_(False)

    def forward(self, frames: Tensor) -> list[Tensor]:
        net = self.encoder
        f0 = net.act1(net.bn1(net.conv1(normalise(frames, MONODEPTH2))))
        f1 = net.layer1(net.maxpool(f0))
        f2 = net.layer2(f1)
        f3 = net.layer3(f2)
        return [f0, f1, f2, f3, net.layer4(f3)]


class PoseDecoder(nn.Module):
    """Last features (B, C, h, w) -> axisangle and translation, each (B, 2, 1, 3).

    Two motions as published, although only the first is ever used. The factor 0.01 keeps an untrained net near rest.
    """

    def __init__(self, width_in: int):
        super().__init__()
        self.net = nn.ModuleList(
            [
                nn.Conv2d(width_in, 256, 1),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.Conv2d(256, 12, 1),
            ]
        )
        self.apply(initialise_decoder)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        squeeze, hidden1, hidden2, motion = self.net
        x = squeeze(features).relu()
        x = hidden2(hidden1(x).relu()).relu()
        pose = 0.01 * motion(x).mean(dim=(2, 3)).view(-1, 2, 1, 6)
        return pose[..., :3], pose[..., 3:]
