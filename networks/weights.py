"""Weights folders in the formats of the published networks.

Lite-Mono: encoder.pth, depth.pth and, for training, pose_encoder.pth and pose.pth. DPT and MiDaS: model.pt, a plain state dict
that the published code loads, and network.json with what it does not hold; a published file is read in place of such a folder.

Reading is strict: every tensor of the network must be in the file under its name and in its shape, and nothing else.
ImageNet weights are loaded in imagenet.py; its functions can be imported from here too.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from torch import nn

from networks import dpt_layouts, identify, registry, state_files
from networks.attention import SOFTMAX, kind_of
from networks.depth_net import DepthNet, create
from networks.errors import NetworkError
from networks.imagenet import fetch_pose_imagenet, load_imagenet_encoder, load_pose_imagenet
from networks.metric_head import MetricHead
from networks.pose import PoseNet, create_pose
from networks.save_weights import save_folder
from networks.weight_files import (
    DECODER,
    ENCODER,
    FIRST_FILES,
    POSE_DECODER,
    POSE_ENCODER,
    SETTINGS_FILES,
    SIZE_ENTRIES,
)

__all__ = [
    "DECODER",
    "ENCODER",
    "POSE_DECODER",
    "POSE_ENCODER",
    "fetch_pose_imagenet",
    "is_published_file",
    "load_available",
    "load_depth",
    "load_imagenet_encoder",
    "load_into",
    "load_pose",
    "load_pose_imagenet",
    "recognise",
    "save_folder",
    "stored_attention",
    "stored_metric_head",
    "stored_size",
]


def load_depth(folder: Path, name: str, height: int | None = None, width: int | None = None) -> DepthNet:
    """The depth network `name` with the weights in `folder`, for the size they were trained at unless one is given.

    folder: also a published file of DPT or MiDaS. Its attention is recognised by its tensors.
    """
    folder = Path(folder)
    if are_of_masks(stored_settings(folder)):
        raise NetworkError(
            f"{folder}: these are weights of mask and depth (litemono segment), which need a background beside each picture; use "
            "litemono segment-apply"
        )
    spec = registry.get(name)
    first = _place(folder, spec.weights.files[0][1])
    _check_place(folder, spec)
    _check_exists(first)
    stored_height, stored_width = stored_size(folder)
    height = stored_height if height is None else height
    width = stored_width if width is None else width
    if height is None or width is None:
        file = folder if folder.is_file() else folder / (spec.weights.settings or spec.weights.files[0][1])
        raise NetworkError(f"{file} does not say its input size; give --height and --width")
    attention = kind_of(read_tensors(first)) if spec.attentions else None
    depth = create(name, height=height, width=width, attention=attention)
    load_into(folder, depth, None)
    depth.metric_head = stored_metric_head(folder)
    return depth


def recognise(place: Path) -> list[str]:
    """The depth networks that the weights in a folder, or in a published file, fit by names and shapes."""
    place = Path(place)
    paths = [_place(place, file) for _, file in FIRST_FILES]
    return next((names for path in paths if path.is_file() and (names := _networks_of(read_tensors(path)))), [])


def is_published_file(place: Path) -> bool:
    """Whether weights are given as one file, not as a folder or as a part of one."""
    return place.is_file() and place.name not in (ENCODER, DECODER, POSE_ENCODER, POSE_DECODER)


def _networks_of(content: dict[str, object]) -> list[str]:
    """The networks whose first file this is."""
    found = (identify.depth_variants(content, part, state_files.equal) for part, _ in FIRST_FILES)
    return next((names for names in found if names), [])


def stored_size(folder: Path) -> tuple[int | None, int | None]:
    """(height, width) in pixels that the weights were trained at; None where the folder does not store it."""
    folder = Path(folder)
    file = next((folder / name for name in SETTINGS_FILES if (folder / name).is_file()), None)
    if file is not None:
        content = read_settings(file)
    elif folder.is_file() or _has_weights(folder, but_not=ENCODER):
        return None, None
    else:
        file = folder / ENCODER
        content = _read(file)
    return _pixels(file, content.get("height")), _pixels(file, content.get("width"))


def stored_attention(place: Path, name: str) -> str:
    """The kind of attention of the weights of `name`, a DPT, by their tensors. NetworkError where another network's are there."""
    place = Path(place)
    _check_place(place, registry.get(name))
    return kind_of(read_tensors(_place(place, registry.ONE_FILE.files[0][1])))


def stored_metric_head(folder: Path) -> MetricHead | None:
    """Scale and shift that turn relative predictions of these weights into metres; None where the folder stores none."""
    file = next((folder / name for name in SETTINGS_FILES if (folder / name).is_file()), None)
    head = None if file is None else read_settings(file).get("metric_head")
    if head is None:
        return None
    try:
        found = MetricHead(float(head["scale"]), float(head["shift"]))  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        raise NetworkError(f"{file}: metric_head is {repr(head)[:80]}, not a scale and a shift") from None
    if not (math.isfinite(found.scale) and math.isfinite(found.shift) and found.scale > 0):
        raise NetworkError(f"{file}: metric_head is {repr(head)[:80]}; scale must be positive, both finite")
    return found


def stored_settings(folder: Path) -> dict[str, object]:
    """Of the network in a weights folder; {} where it has no settings file."""
    file = Path(folder) / str(registry.ONE_FILE.settings)
    return read_settings(file) if file.is_file() else {}


def are_of_masks(stored: dict[str, object]) -> bool:
    """Whether stored settings are of a network of mask and depth; some refiners have the same names."""
    return stored.get("output") == "mask-and-depth"


def read_settings(file: Path) -> dict[str, object]:
    """Of a settings file of a weights folder."""
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise NetworkError(f"{file} is damaged; restore it, or delete it and give --height and --width")
    return content


def _pixels(file: Path, size: object) -> int | None:
    if not (size is None or isinstance(size, int)):
        raise NetworkError(f"{file}: the stored input size is {repr(size)[:80]}, not a number of pixels")
    return size


def load_pose(folder: Path) -> PoseNet:
    """The pose network in a weights folder; the depth of its ResNet is recognised by its tensors."""
    folder = Path(folder)
    files = (folder / POSE_ENCODER, folder / POSE_DECODER)
    absent = [file.name for file in files if not file.is_file()]
    if absent:
        raise NetworkError(
            f"{folder} has no {' and no '.join(absent)}; a pose network is in folders that a training without ground truth wrote"
        )
    encoder, decoder = (read_tensors(file) for file in files)
    layers = (
        50 if "encoder.layer1.0.conv3.weight" in encoder else 34 if "encoder.layer1.2.conv1.weight" in encoder else 18
    )
    pose = create_pose(layers)
    parts = [(pose.encoder, files[0], encoder), (pose.decoder, files[1], decoder)]
    state_files.load_exactly(parts, f"a ResNet-{layers} pose net", lambda path, content: "")
    return pose


def load_into(folder: Path, depth: DepthNet, pose: PoseNet | None) -> None:
    """Put the weights in `folder` into the networks: all of them, or none if a file is absent or a tensor does not fit."""
    _load(Path(folder), _modules(depth, pose), depth, pose)


def load_one_file(folder: Path, body: nn.Module, name: str) -> None:
    """Put the tensors of a folder's model.pt into `body`, a network that is no DepthNet; all, or none where one does not fit."""
    path = Path(folder) / registry.ONE_FILE.files[0][1]
    if not path.is_file():
        raise NetworkError(f"{folder} has no {path.name}; give a folder such as RUN/models/last")
    state_files.load_exactly([(body, path, read_tensors(path))], name, lambda path, content: "")


def load_available(folder: Path, depth: DepthNet, pose: PoseNet | None) -> list[str]:
    """Start a training from those of the files that are in `folder`; returns the absent ones.

    Published folders have encoder.pth and depth.pth alone. Raises NetworkError where not even the first file is there.
    """
    folder = Path(folder)
    modules = _modules(depth, pose)
    absent = [name for name in list(modules)[1:] if not os.path.lexists(folder / name)]
    _load(folder, {name: modules[name] for name in modules if name not in absent}, depth, pose)
    return absent


def _modules(depth: DepthNet, pose: PoseNet | None) -> dict[str, nn.Module]:
    """By file name."""
    modules = {file: getattr(depth, part) for part, file in depth.spec.weights.files}
    return modules | ({} if pose is None else {POSE_ENCODER: pose.encoder, POSE_DECODER: pose.decoder})


def _load(folder: Path, modules: dict[str, nn.Module], depth: DepthNet, pose: PoseNet | None) -> None:
    _check_place(folder, depth.spec)
    attention = "" if depth.attention in (None, SOFTMAX) else f" with {depth.attention} attention"
    what = depth.name + attention + (f" with a ResNet-{pose.num_layers} pose net" if pose else "")
    parts = [(module, path := _place(folder, name), read_tensors(path)) for name, module in modules.items()]
    state_files.load_exactly(parts, what, lambda path, content: _what_fits_instead(path, content, depth))


def _place(folder: Path, file: str) -> Path:
    """Path of that file in the folder; the path itself where it is a published file."""
    return folder if folder.is_file() else folder / file


def _check_place(folder: Path, spec: registry.NetworkSpec) -> None:
    """Raise NetworkError, naming the network, where the weights are in the format of another."""
    files = spec.weights.files
    if (folder.is_file() and len(files) > 1) or _has_weights(folder, but_not=files[0][1]):
        names = recognise(folder)
        if names:
            raise NetworkError(f"{folder}: {_described(names)}")


def _has_weights(folder: Path, *, but_not: str) -> bool:
    """Whether a folder has weights in another format than that whose first file is `but_not`."""
    first_files = [file for _, file in FIRST_FILES if (folder / file).is_file()]
    return bool(first_files) and but_not not in first_files


def _described(names: list[str]) -> str:
    if names[0] in registry.REFINERS:
        return f"these are {' or '.join(names)} weights, of litemono refine; they need the depth of another network"
    return f"these are {' or '.join(names)} weights: --model {names[0]}"


def read_tensors(path: Path) -> dict[str, object]:
    """Named tensors of a file of weights, in main's names."""
    content = {name: value for name, value in _read(path).items() if name not in SIZE_ENTRIES}
    return dpt_layouts.main_layout(state_files.plain_names(content))


def _read(path: Path) -> dict[str, object]:
    """Named tensors and size entries."""
    _check_exists(path)
    content = state_files.read(path)
    beside = {name: content[name] for name in SIZE_ENTRIES if name in content}  # of a wrapper such as "state_dict"
    return {**beside, **state_files.unwrapped(content)}


def _check_exists(path: Path) -> None:
    if path.is_file():
        return
    if path.name != ENCODER and (path.parent / ENCODER).is_file():
        raise NetworkError(f"{path.parent} has no {path.name}; needed here are {ENCODER} {DECODER} and, for training, "
                           f"{POSE_ENCODER} {POSE_DECODER}")  # fmt: skip
    raise NetworkError(
        f"{path.parent} has no {path.name}; give the folder of one epoch's weights, such as RUN/models/weights_29"
    )


def _what_fits_instead(path: Path, content: dict[str, object], depth: DepthNet) -> str:
    """A clause that names the flag with which the file would fit, or ""."""
    if path.name in (POSE_ENCODER, POSE_DECODER):
        part = "encoder" if path.name == POSE_ENCODER else "decoder"
        layers = identify.pose_layers(content, part, state_files.equal)
        return f"these belong to a ResNet-{layers[0]} pose net: --num_layers {layers[0]}" if layers else ""
    parts = {file: part for part, file in depth.spec.weights.files}
    own = parts.get(path.name)  # a published file may have any name
    names = identify.depth_variants(content, own, state_files.equal) if own else _networks_of(content)
    if depth.name in names:
        return f"these weights have {kind_of(content)} attention: --attention {kind_of(content)}"
    return _described(names) if names else ""
