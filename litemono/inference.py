"""Trained depth networks as evaluate and predict load them: from a weights folder, a published or an exported file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from litemono.engine.precision import apply_precision
from litemono.exporting.exported_depth import load_exported
from litemono.hub.reading import is_hub_folder, load_network
from litemono.tasks.monodepth.settings import LossConfig, ModelConfig
from litemono.trained_depth import TrainedDepth as TrainedDepth
from litemono.utils.errors import UserError, require
from networks import weights
from networks.depth_net import DepthNet
from networks.metric_head import MetricHead


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
