"""A depth network as other programs run it: pixels in, disparity or depth out, with nothing left to do around it."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from litemono.trained_depth import TrainedDepth
from litemono.utils.errors import require

Input = Literal["uint8", "float"]
Output = Literal["disparity", "depth"]


class FusedDepth(nn.Module):
    """Encoder, decoder and the conversion of their output.

    input: uint8, (B, H, W, 3) RGB as decoders give it; float, (B, 3, H, W) in [0, 1]. Returns (B, H, W) float32: disparity as
    TrainedDepth.disparity gives it, times 1 / depth_scale, or depth, 1 / disparity. Raises UserError for depth of a network
    whose disparity is relative.
    """

    def __init__(self, trained: TrainedDepth, input: Input, output: Output, depth_scale: float) -> None:
        super().__init__()
        require(
            output == "disparity" or trained.kind != "relative",
            f"--output_kind depth: {trained.net.name} predicts inverse depth up to scale and shift; export its disparity",
        )
        self.net, self.as_disparity = trained.net, trained.as_disparity
        self.input, self.output, self.depth_scale = input, output, depth_scale

    def forward(self, image: Tensor) -> Tensor:
        if self.input == "uint8":
            image = image.permute(0, 3, 1, 2).float() / 255
        disparity = self.as_disparity(self.net(image)[0][:, 0].float())
        return self.depth_scale / disparity if self.output == "depth" else disparity / self.depth_scale


class ReflectByCopies(nn.Module):
    """A convolution with reflect padding of one pixel, padded by slices: the same numbers without a Pad operator."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = copy.deepcopy(conv)
        self.conv.padding_mode, self.conv.padding = "zeros", (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat((x[:, :, 1:2], x, x[:, :, -2:-1]), dim=2)
        return self.conv(torch.cat((x[:, :, :, 1:2], x, x[:, :, :, -2:-1]), dim=3))


def without_reflection(module: nn.Module) -> nn.Module:
    """A copy in which no convolution pads by reflection; only padding of one pixel is known."""
    module = copy.deepcopy(module)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.padding_mode == "reflect" and child.padding == (1, 1):
                setattr(parent, name, ReflectByCopies(child))
    return module
