"""The networks of Lite-Mono and their weight files; nothing here knows how they are trained.

lite_mono.py      the depth encoder: table of variants, dilated blocks (CDC), attention blocks (LGFI)
depth_decoder.py  features -> disparity at three scales
depth_net.py      both behind one forward(image)
pose.py           two frames -> camera motion
weights.py        the published file formats, read strictly and written atomically
imagenet.py       ImageNet starting points of both encoders

    net = networks.create("lite-mono", height=192, width=640)
    disp0, disp1, disp2 = net(image)        # image: (B, 3, 192, 640) in [0, 1]
"""

from __future__ import annotations

from networks.depth_net import DepthNet
from networks.errors import NetworkError
from networks.lite_mono import VARIANTS, LiteMono
from networks.pose import RESNETS, PoseNet

__all__ = ["DepthNet", "NetworkError", "PoseNet", "create", "create_pose", "names"]


def names() -> list[str]:
    """Names that `create` takes."""
    return [*VARIANTS]


def create(name: str, *, height: int, width: int, drop_path: float = 0.0) -> DepthNet:
    """A freshly initialised depth network for images of height x width pixels, both multiples of 32.

    drop_path: stochastic depth rate of the last encoder block (published training: 0.2); earlier blocks less, linearly.
    """
    if name not in VARIANTS:
        raise NetworkError(f"there is no depth network {name!r}; choose from {', '.join(VARIANTS)}")
    if min(height, width) <= 0 or height % 32 or width % 32:
        raise NetworkError(f"input size {width}x{height}: width and height must be positive multiples of 32")
    if not 0 <= drop_path < 1:
        raise NetworkError(f"drop_path is {drop_path}; it must be at least 0 and below 1")
    return DepthNet(name, LiteMono(VARIANTS[name], height, width, drop_path), height, width)


def create_pose(num_layers: int = 18) -> PoseNet:
    """A pose network on a randomly initialised ResNet of 18, 34 or 50 layers."""
    if num_layers not in RESNETS:
        raise NetworkError(f"there is no ResNet-{num_layers} pose encoder; choose from {', '.join(map(str, RESNETS))}")
    return PoseNet(num_layers)
