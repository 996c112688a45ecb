"""Weights folders of refiners: model.pt and network.json, as save_weights.py writes them."""

from __future__ import annotations

from pathlib import Path

from networks import weights
from networks.alignment import Alignment
from networks.errors import NetworkError
from networks.refine import RefineNet, create_refiner
from networks.registry import ONE_FILE, REFINERS

SETTINGS = str(ONE_FILE.settings)


def is_refiner(folder: Path) -> bool:
    """Whether a folder says that it has the weights of a refiner."""
    stored = weights.stored_settings(folder)
    return str(stored.get("network")) in REFINERS and not weights.are_of_masks(stored)


def load_refiner(folder: Path) -> RefineNet:
    """The refiner in a weights folder, for the size it was trained at. Raises NetworkError."""
    folder = Path(folder)
    file = folder / SETTINGS
    if not is_refiner(folder):
        raise NetworkError(
            f"{folder} has no weights of a refiner (litemono refine); give a folder such as RUN/models/last"
        )
    stored = weights.read_settings(file)
    try:
        alignment = Alignment(**stored["alignment"])  # type: ignore[arg-type]
        if stored["predict"] not in ("residual", "depth"):
            raise ValueError
    except (TypeError, KeyError, ValueError):
        raise NetworkError(
            f"{file} is damaged: it has no alignment or no word on what is predicted; restore it"
        ) from None
    height, width = weights.stored_size(folder)
    if height is None or width is None:
        raise NetworkError(f"{file} is damaged: it does not say the input size; restore it")
    net = create_refiner(
        str(stored["network"]), height=height, width=width, predict=stored["predict"], alignment=alignment
    )  # type: ignore[arg-type]
    load_refiner_into(folder, net)
    return net


def load_refiner_into(folder: Path, net: RefineNet) -> None:
    """Put the tensors of a weights folder into the network; all, or none where one does not fit."""
    weights.load_one_file(folder, net.published, net.name)
