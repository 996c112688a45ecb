"""All networks and their weight files; nothing here depends on how they are trained.

registry.py            names, input sizes, normalisation, kind of output, files: what is said of a network without building it
depth_net.py           a depth network by name: encoder and decoder behind one forward(image)
any_size.py            images of sizes that a network cannot compute at
lite_mono.py           Lite-Mono's encoder: dilated blocks (CDC), attention blocks (LGFI)
lite_mono_variants.py  the numbers of its variants
depth_decoder.py       features -> disparity at three scales
dpt.py, midas.py       DPT and MiDaS: encoders by timm, names of the published files
fusion.py              their decoder: features -> relative inverse depth
attention.py           performer and memory-compressed attention for DPT
metric_head.py         relative inverse depth -> metres
refine.py, unet.py     image and given depth -> metres; alignment.py: what brings that depth to metres first
mask_depth.py          background and picture -> mask and depth of what is in front
dpt_layouts.py         the two layouts of names in DPT's files
pose.py                two frames -> camera motion
layers.py              what several of them share
weights.py             the published file formats, read strictly; save_weights.py writes them
replaced_folders.py    folders that are there whole or not at all
refiner_weights.py     folders of refiners; mask_depth_weights.py: of networks of masks and depth
weight_files.py        names of the files in them
state_files.py         files of named tensors; identify.py: which network they are from
imagenet.py            ImageNet starting points of both encoders
timm_models.py         Lite-Mono's encoders as timm models; timm_train.py: timm's train script with them
errors.py              the exceptions of the project

    net = networks.create("lite-mono", height=192, width=640)
    disp0, disp1, disp2 = net(image)        # image: (B, 3, 192, 640) in [0, 1]

Importing the package does not import torch; the first use of `create`, `create_pose`, `DepthNet` or `PoseNet` does.
"""

from __future__ import annotations

import importlib
from typing import Any

from networks.errors import NetworkError
from networks.registry import NetworkSpec, names

__all__ = ["DepthNet", "NetworkError", "NetworkSpec", "PoseNet", "create", "create_pose", "names"]  # noqa: F822

_LAZY = {
    "DepthNet": "networks.depth_net",
    "create": "networks.depth_net",
    "PoseNet": "networks.pose",
    "create_pose": "networks.pose",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'networks' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
