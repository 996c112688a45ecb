"""Weights folders of the networks of mask and depth: model.pt and network.json, as save_weights.py writes them."""

from __future__ import annotations

from pathlib import Path

from networks import weights
from networks.errors import NetworkError
from networks.mask_depth import MaskDepthNet, create_mask_network
from networks.registry import MASK_NETWORKS, ONE_FILE

SETTINGS = str(ONE_FILE.settings)


def save(folder: Path, net: MaskDepthNet) -> None:
    """Write the folder, whole or not at all. Raises as save_weights.save_folder."""
    weights.save_folder(folder, net, None)


def load(folder: Path) -> MaskDepthNet:
    """The network in a weights folder, for the size it was trained at. Raises NetworkError."""
    name = stored_name(folder)
    height, width = weights.stored_size(folder)
    if height is None or width is None:
        raise NetworkError(f"{Path(folder) / SETTINGS} is damaged: it does not say the input size; restore it")
    net = create_mask_network(name, height=height, width=width)
    load_into(folder, net)
    return net


def stored_name(folder: Path) -> str:
    """Of the network in a weights folder. Raises NetworkError where there is none of mask and depth."""
    stored = weights.stored_settings(folder)
    name = str(stored.get("network"))
    if not weights.are_of_masks(stored) or name not in MASK_NETWORKS:
        raise NetworkError(
            f"{folder} has no weights of a network of mask and depth (litemono segment); give a folder such as RUN/models/last"
        )
    return name


def load_into(folder: Path, net: MaskDepthNet) -> None:
    """Put the tensors of a weights folder into the network; all, or none where one does not fit."""
    name = stored_name(folder)
    if name != net.name:
        raise NetworkError(f"{folder} has the weights of {name}: --model {name}")
    weights.load_one_file(folder, net.published, net.name)
