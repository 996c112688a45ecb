"""Trained depth networks as evaluate and predict use them: a weights folder in, scaled disparity out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from litemono.depth_map import DepthMap, Kind
from litemono.engine.precision import apply_precision
from litemono.geometry import disp_to_depth
from litemono.hub.reading import is_hub_folder, load_network
from litemono.losses.registry import LOSSES
from litemono.tasks.monodepth.settings import LossConfig, ModelConfig
from litemono.utils.errors import UserError, require
from networks import weights
from networks.depth_net import DepthNet
from networks.metric_head import MetricHead

LEAST_DEPTH = 1e-3  # metres, of a network that predicts metres


def run_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run that wrote the weights, from the config.json beside them or in the run folder; {} for
    weights from elsewhere, also in a published file of DPT or MiDaS."""
    folder = Path(folder)
    if weights.is_published_file(folder):
        return {}
    if not folder.is_dir():
        what = "is a file, not the folder that holds it" if folder.is_file() else "there is no such folder"
        raise UserError(f"--load_weights {folder}: {what}; give one like RUN/models/last")
    folder = folder.resolve()
    places = [folder, folder.parent.parent] if folder.parent.name == "models" else [folder]
    config = next((place / "config.json" for place in places if (place / "config.json").is_file()), None)
    if config is None:
        return {}
    try:
        settings = json.loads(config.read_text())
        if not all(isinstance(settings[group], dict) for group in ("model", "loss")):
            raise ValueError("no model and loss settings")
        if not isinstance(settings.get("data", {}).get("data_path", ""), str):
            raise ValueError("no place of the data")
        if not isinstance(settings["model"].get("model", ""), str):
            raise ValueError("no name of a network")
        depths = {**asdict(LossConfig()), **settings["loss"]}
        if not 0 < depths["min_depth"] < depths["max_depth"]:
            raise ValueError("no range of depths")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(f"{config} is damaged; restore it, or delete it and give --model") from None
    return settings


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


def load_trained(
    folder: Path,
    model: str | None,
    device: torch.device,
    height: int | None = None,
    width: int | None = None,
    head: MetricHead | None = None,
) -> TrainedDepth:
    """The network in a weights folder, a published file, or what `litemono export` wrote: an .onnx file or a --hub folder.

    model: None means the run's own. For weights from elsewhere it means the network that model.pt or a published file fits by
    its tensors, and lite-mono for a folder with encoder.pth. height, width: None means as trained.
    head: makes metres of a network of relative depth whose weights do not hold a scale and shift.
    """
    if Path(folder).suffix == ".onnx":
        from litemono.exporting.exported_depth import load_exported

        require(head is None, f"--metric_head: {folder} gives what it was exported with; leave the flag out")
        return load_exported(Path(folder), model, device, height, width)
    settings = run_settings(folder)
    net = _network(Path(folder), model or settings.get("model", {}).get("model"), height, width)
    if head is not None:
        require(
            net.spec.output == "relative" and net.metric_head is None,
            f"--metric_head: {net.name} in {folder} is no network of relative depth without scale and shift; leave the flag out",
        )
        net.metric_head = head
    apply_precision("fp32")  # as published numbers are; cuDNN would round to TF32
    loss = {"min_depth": LossConfig.min_depth, "max_depth": LossConfig.max_depth, **settings.get("loss", {})}
    return TrainedDepth(net.to(device).eval(), device, loss["min_depth"], loss["max_depth"], settings)


def _network(place: Path, name: str | None, height: int | None, width: int | None) -> DepthNet:
    """Of a weights folder, a published file or a --hub folder; name: None where neither flags nor settings tell."""
    if is_hub_folder(place):
        return load_network(place, name, height, width)
    if name is None:
        by_content = [] if (place / weights.ENCODER).is_file() else weights.recognise(place)
        name = by_content[0] if by_content else ModelConfig.model
    return weights.load_depth(place, name, height, width)
