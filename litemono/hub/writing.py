"""`litemono export --hub FOLDER`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from litemono import __version__
from litemono.hub.card import model_card
from litemono.hub.reading import CARD, CONFIG, LIBRARY, TENSORS, is_hub_folder, load_network
from litemono.inference import load_trained
from litemono.trained_depth import TrainedDepth
from litemono.utils.atomic_files import replacing_folder, writable
from litemono.utils.commit import code_commit
from litemono.utils.errors import require
from networks.depth_net import DepthNet

TRAINING = {
    "data": ("dataset", "split", "mix", "png"),
    "optim": ("batch_size", "accumulate", "precision", "num_epochs", "schedule", "lr", "weight_decay"),
    "run": ("seed",),
}
"""What is published of a run's settings: no paths, no names of machines."""


def write_hub_folder(weights: Path, model: str | None, height: int | None, width: int | None, folder: Path) -> None:
    """Write the depth network of a weights folder, whole or not at all, and read it back.

    Raises UserError for weights that cannot be read and a folder that holds something else.
    """
    require(weights.suffix != ".onnx", f"--load_weights {weights}: is exported already; give the weights folder")
    empty = folder.is_dir() and not any(folder.iterdir())
    require(
        not os.path.lexists(folder) or empty or is_hub_folder(folder),
        f"--hub {folder}: is there and holds something else; choose another folder",
    )
    trained = load_trained(weights, model, torch.device("cpu"), height, width)
    config = settings(trained)
    with writable(folder), replacing_folder(folder.absolute()) as partial:
        save_file(tensors(trained.net), partial / TENSORS, metadata={"format": "pt"})
        (partial / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
        (partial / CARD).write_text(model_card(trained, config, weights))
        _compare(trained.net, load_network(partial, trained.net.name, None, None), weights)
    size = (folder / TENSORS).stat().st_size / 1e6
    print(
        f"{folder}: {trained.net.name} {trained.net.width}x{trained.net.height}, {size:.1f} MB; read back, tensors are equal"
    )
    print(f"edit {folder / CARD}, then: hf upload NAME/REPOSITORY {folder}")


def settings(trained: TrainedDepth) -> dict[str, Any]:
    """Of config.json: how to make the network again, and how it was trained as far as that is known."""
    run, net = trained.settings, trained.net
    training = {
        group: {name: run[group][name] for name in names if name in run.get(group, {})}
        for group, names in TRAINING.items()
    }
    if "split" in training["data"]:  # a list of the user's own may be a path
        training["data"]["split"] = Path(str(training["data"]["split"])).name
    loss = {name: value for name, value in run.get("loss", {}).items() if not _is_path(value)}
    loss |= {"min_depth": trained.min_depth, "max_depth": trained.max_depth}
    return {
        "library_name": LIBRARY,
        "litemono_version": __version__,
        "litemono_commit": code_commit(),
        "network": {**net.settings(), "height": net.height, "width": net.width},
        "kind": trained.kind,
        "depth_range": trained.depth_range,
        "model": {"model": net.name},
        "loss": loss,
        "training": {group: content for group, content in training.items() if content},
    }


def _is_path(value: object) -> bool:
    return isinstance(value, str) and ("/" in value or "\\" in value)


def tensors(net: DepthNet) -> dict[str, torch.Tensor]:
    """Encoder and decoder, each tensor with memory of its own, as safetensors requires."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in net.state_dict().items()}


def _compare(net: DepthNet, again: DepthNet, weights: Path) -> None:
    same = all(
        torch.equal(one, other) for one, other in zip(tensors(net).values(), tensors(again).values(), strict=True)
    )
    require(
        same,
        f"--load_weights {weights}: what was written reads back as something else, so nothing was kept; NaN in it?",
    )
