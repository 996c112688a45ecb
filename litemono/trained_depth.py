"""A trained depth network ready to predict: images in, scaled disparity and depth maps out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from litemono.depth_map import DepthMap, Kind
from litemono.geometry import disp_to_depth
from litemono.losses.registry import LOSSES
from litemono.utils.errors import UserError
from networks.depth_net import DepthNet

LEAST_DEPTH = 1e-3  # metres, of a network that predicts metres


class TrainedDepth(NamedTuple):
    """A depth network in eval mode on its device, and the range its disparity stands for."""

    net: DepthNet
    device: torch.device
    min_depth: float
    max_depth: float
    settings: dict[str, Any]
    """config.json of the run it comes from, {} if unknown."""

    @property
    def kind(self) -> Kind:
        """What its disparity is known up to. Metric: a network of metres, or one that was trained to predict metres."""
        if self.net.spec.output == "metric" or self.net.metric_head is not None:
            return "metric"
        loss = LOSSES.get(str(self.settings.get("loss", {}).get("loss")))
        if self.net.spec.output == "relative" or (loss is not None and loss.prediction == "relative"):
            return "relative"
        return "up-to-scale" if loss is None else "metric"

    @property
    def depth_range(self) -> tuple[float, float] | None:
        """Least and largest depth that its disparity in (0, 1) stands for; None where it has no such range."""
        has_range = self.net.spec.output == "disparity" and self.kind != "relative"
        return (self.min_depth, self.max_depth) if has_range else None

    def depth_map(self, disparity: Tensor, height: int, width: int) -> DepthMap:
        """One of `disparity`'s results, (H, W), for an image of this size in pixels."""
        return DepthMap(at_image_size(disparity, height, width), self.kind, self.depth_range)

    def at_network_size(self, image: Image.Image) -> np.ndarray:
        """An RGB image -> (H, W, 3) uint8, Lanczos-resized as in training."""
        return np.asarray(image.resize((self.net.width, self.net.height), Image.Resampling.LANCZOS))

    def disparity(self, images: np.ndarray, flip: bool = False) -> Tensor:
        """Inverse depth in 1/metres (up to the monocular scale), (B, H, W) float32 on the device; that of a network that
        predicts relative depth is up to scale and shift.

        images: (B, H, W, 3) uint8 RGB at the network's size; flip: mirror them left to right first.
        """
        batch = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255
        return self.disparity_of(batch.flip(3) if flip else batch)

    @torch.inference_mode()
    def disparity_of(self, batch: Tensor) -> Tensor:
        """The same for (B, 3, H, W) in [0, 1] that is already on the device."""
        return self.as_disparity(self.net(batch)[0][:, 0].float())

    def as_disparity(self, finest: Tensor) -> Tensor:
        """The network's finest map, (B, H, W) float32, as `disparity` gives it."""
        if self.net.spec.output == "metric":
            return 1 / finest.clamp(min=LEAST_DEPTH)
        if self.net.metric_head is not None:
            return self.net.metric_head.inverse_depth(finest)
        if self.kind == "relative":
            return finest
        return disp_to_depth(finest, self.min_depth, self.max_depth)[0]


def fastest_batch(device: torch.device) -> int:
    """Images of a forward pass. On a CPU the activations of several leave its cache, and each takes longer than alone."""
    return 1 if device.type == "cpu" else 8


def require_finite(disparities: Tensor, weights: object) -> None:
    """UserError where a network predicts NaN or infinity, as weights of a diverged training do."""
    if not disparities.isfinite().all():
        raise UserError(f"{weights}: these weights predict values that are not finite")


def at_image_size(disparity: Tensor, height: int, width: int) -> np.ndarray:
    """(H, W) at the network's size -> (height, width) float32, bilinear between pixel centres."""
    return (
        F.interpolate(disparity[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0].cpu().numpy()
    )
