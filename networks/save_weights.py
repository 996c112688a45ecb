"""Weights folders, written whole or not at all. weights.py reads them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from networks import dpt_layouts
from networks.attention import SOFTMAX
from networks.depth_net import DepthNet
from networks.errors import NetworkError, may_pass
from networks.mask_depth import MaskDepthNet
from networks.pose import PoseNet
from networks.refine import RefineNet
from networks.replaced_folders import replacing_folder
from networks.weight_files import FIRST_FILES, POSE_DECODER, POSE_ENCODER


def save_folder(
    folder: Path, depth: DepthNet | RefineNet | MaskDepthNet, pose: PoseNet | None, use_stereo: bool = False
) -> None:
    """Write the networks to `folder`, whole or not at all; a weights folder that is already there is replaced whole.

    pose: None leaves pose_encoder.pth and pose.pth out. Raises NetworkError for a full disk and a place that may not be
    written, OSError for a temporary failure of the file server.
    """
    folder = Path(folder).absolute()
    if not _may_be_replaced(folder):
        raise NetworkError(f"{folder} is there and holds something else than weights; choose another folder")
    format = depth.spec.weights
    contents = {file: _published_tensors(depth, part) for part, file in format.files}
    settings = {"height": int(depth.height), "width": int(depth.width), "use_stereo": bool(use_stereo)}
    if format.settings is None:
        contents[format.files[0][1]] |= settings
    else:
        contents[format.settings] = {**depth.settings(), **settings}
    if pose is not None:
        contents[POSE_ENCODER] = {**_plain_tensors(pose.encoder)}
        contents[POSE_DECODER] = {**_plain_tensors(pose.decoder)}

    try:
        with replacing_folder(folder) as fresh:
            for name, content in contents.items():
                _write(fresh / name, content)
    except OSError as error:
        if may_pass(error):
            raise
        raise NetworkError(f"cannot write weights to {folder}: {error.strerror or error}") from error


def _published_tensors(depth: DepthNet | RefineNet | MaskDepthNet, part: str) -> dict[str, object]:
    """A part's state under the names of the code that has such a network."""
    tensors = _plain_tensors(getattr(depth, part))
    if depth.attention in (None, SOFTMAX):
        return {**tensors}
    return {**dpt_layouts.scriptable_layout(tensors)}


def _plain_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The state of `module` on the CPU: contiguous, floating tensors in float32, sharing memory with nothing."""

    def plain(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else tensor.dtype)
        return tensor.clone(memory_format=torch.contiguous_format)

    return {name: plain(tensor) for name, tensor in module.state_dict().items()}


def _write(path: Path, content: dict[str, object]) -> None:
    data = io.BytesIO()  # a full disk speaks for itself only where torch is not between
    if path.suffix == ".json":
        data.write(json.dumps(content, indent=2).encode())
    else:
        torch.save(content, data)
    with path.open("wb") as file:
        file.write(data.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def _may_be_replaced(folder: Path) -> bool:
    """Nothing, a link, an empty folder or a weights folder: never somebody's other files."""
    if folder.is_symlink() or not folder.exists():
        return True
    holds_weights = any((folder / file).is_file() for _, file in FIRST_FILES)
    return folder.is_dir() and (holds_weights or not any(folder.iterdir()))
