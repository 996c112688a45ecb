"""Folders of weights: settings beside tensors, of ours and in Hugging Face's layout."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import strategies as st

from litemono.hub import reading
from litemono.hub.reading import CONFIG, LIBRARY, TENSORS
from networks import mask_depth_weights, state_files, weights
from networks.mask_depth import create_mask_network
from networks.refine import create_refiner
from networks.refiner_weights import load_refiner

from ..mutations import damaged_bytes, damaged_json, json_bytes
from .base import Kind, Use
from .tensors import ATTACKS, depth_net

SIZE = {"height": 32, "width": 64}
ALIGNMENT = {"inverse": False, "scale": 2.0, "shift": 1.0, "unit": 5.0, "farthest": 50.0}
REFINER = {"network": "affine", "predict": "residual", "alignment": ALIGNMENT, **SIZE}
MASKS = {"network": "cnn", "output": "mask-and-depth", **SIZE}
HUB = {
    "library_name": LIBRARY,
    "network": {"network": "lite-mono-tiny", "attention": None, "metric_head": {"scale": 1.0, "shift": 0.5}, **SIZE},
}


def use_network_settings(folder: Path) -> Use:
    """network.json of a refiner and of a network of masks, as all readers of weights see it."""
    places = {"affine": folder / "refiner", "cnn": folder / "masks"}
    weights.save_folder(places["affine"], create_refiner("affine", **SIZE), None)
    mask_depth_weights.save(places["cnn"], create_mask_network("cnn", **SIZE))

    def use(data: bytes) -> None:
        place = places["cnn" if b"mask-and-depth" in data else "affine"]
        (place / "network.json").write_bytes(data)
        weights.recognise(place)
        weights.stored_size(place)
        (mask_depth_weights.load if place == places["cnn"] else load_refiner)(place)

    return use


def use_hub_config(folder: Path) -> Use:
    from safetensors.torch import save_file

    save_file(depth_net().state_dict(), folder / TENSORS)

    def use(data: bytes) -> None:
        (folder / CONFIG).write_bytes(data)
        reading.load_network(folder, None, None, None)

    return use


def use_safetensors(folder: Path) -> Use:
    """A decoder alone: hypothesis keeps what it made, and whole networks would fill the memory."""
    decoder, path = depth_net().decoder, folder / TENSORS

    def use(data: bytes) -> None:
        path.write_bytes(data)
        state_files.load_exactly([(decoder, path, state_files.read(path))], "a decoder", lambda path, content: "")

    return use


def whole_tensors() -> bytes:
    from safetensors.torch import save

    return save(depth_net().decoder.state_dict())


@st.composite
def damaged_header(draw, whole: bytes) -> bytes:
    """Safetensors whose header is damaged JSON of the right length."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    few = {name: header[name] for name in [*header][:3]}
    text = draw(damaged_json(few))
    text = text if draw(st.booleans()) else json.dumps({**header, "x": text.decode(errors="replace")[:50]}).encode()
    return len(text).to_bytes(8, "little") + text + whole[8 + length :]


WHOLE = whole_tensors()
NETWORK_SETTINGS = Kind(
    "network.json", [*map(json_bytes, (REFINER, MASKS))], damaged_json(REFINER, MASKS), use_network_settings
)
HUB_CONFIG = Kind("hub config", [json_bytes(HUB)], damaged_json(HUB), use_hub_config)
SAFETENSORS = Kind(
    "safetensors", [WHOLE], st.one_of(damaged_header(WHOLE), damaged_bytes([WHOLE]), ATTACKS), use_safetensors
)
