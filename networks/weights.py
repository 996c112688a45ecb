"""Weights folders in the published format: encoder.pth, depth.pth and, for training, pose_encoder.pth and pose.pth.

Reading is strict: every tensor of the network must be in the file under its name and in its shape, and nothing else.
ImageNet starting points are in imagenet.py and offered here too.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from networks import identify, registry, state_files
from networks.depth_net import DepthNet, create
from networks.errors import NetworkError, may_pass
from networks.imagenet import fetch_pose_imagenet, load_imagenet_encoder, load_pose_imagenet
from networks.pose import PoseNet

__all__ = [
    "fetch_pose_imagenet",
    "load_available",
    "load_depth",
    "load_imagenet_encoder",
    "load_into",
    "load_pose_imagenet",
    "save_folder",
    "stored_size",
]

ENCODER, DECODER = (file for _, file in registry.ENCODER_AND_DECODER.files)
POSE_ENCODER, POSE_DECODER = "pose_encoder.pth", "pose.pth"
SIZE_ENTRIES = ("height", "width", "use_stereo")  # in encoder.pth beside the tensors


def save_folder(folder: Path, depth: DepthNet, pose: PoseNet | None, use_stereo: bool = False) -> None:
    """Write the networks to `folder`, whole or not at all; a weights folder that is already there is replaced whole.

    pose: None leaves pose_encoder.pth and pose.pth out. Raises NetworkError for a full disk and a place that may not be
    written, OSError for a temporary failure of the file server.
    """
    folder = Path(folder).absolute()
    if not _may_be_replaced(folder):
        raise NetworkError(f"{folder} is there and holds something else than weights; choose another folder")
    contents: dict[str, dict[str, object]] = {
        file: {**_plain_tensors(getattr(depth, part))} for part, file in depth.spec.weights.files
    }
    contents[ENCODER] |= {"height": int(depth.height), "width": int(depth.width), "use_stereo": bool(use_stereo)}
    if pose is not None:
        contents[POSE_ENCODER] = {**_plain_tensors(pose.encoder)}
        contents[POSE_DECODER] = {**_plain_tensors(pose.decoder)}

    partial, replaced = (folder.with_name(f".{folder.name}.{state}") for state in ("partial", "replaced"))
    try:
        _remove(partial)
        partial.mkdir(parents=True)
        for name, content in contents.items():
            _write(partial / name, content)
        # A kill between the two renames leaves both copies, each of them whole.
        _remove(replaced)
        if os.path.lexists(folder):
            folder.rename(replaced)
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if may_pass(error):
            raise
        raise NetworkError(f"cannot write weights to {folder}: {error.strerror or error}") from error
    with contextlib.suppress(OSError):  # a reader on a network drive may hold it; the next save tries again
        _remove(replaced)


def load_depth(folder: Path, name: str, height: int | None = None, width: int | None = None) -> DepthNet:
    """The depth network `name` with the weights in `folder`, for the size they were trained at unless one is given."""
    folder = Path(folder)
    stored_height, stored_width = stored_size(folder)
    height = stored_height if height is None else height
    width = stored_width if width is None else width
    if height is None or width is None:
        raise NetworkError(f"{folder / ENCODER} does not say its input size; give --height and --width")
    depth = create(name, height=height, width=width)
    load_into(folder, depth, None)
    return depth


def stored_size(folder: Path) -> tuple[int | None, int | None]:
    """(height, width) in pixels that the weights were trained at; None where encoder.pth does not say."""
    file = Path(folder) / ENCODER
    content = _read(file)
    return _pixels(file, content.get("height")), _pixels(file, content.get("width"))


def _pixels(file: Path, size: object) -> int | None:
    if not (size is None or isinstance(size, int)):
        raise NetworkError(f"{file}: the stored input size is {size!r}, not a number of pixels")
    return size


def load_into(folder: Path, depth: DepthNet, pose: PoseNet | None) -> None:
    """Put the weights in `folder` into the networks: all of them, or none if a file is absent or a tensor does not fit."""
    _load(Path(folder), _modules(depth, pose), depth, pose)


def load_available(folder: Path, depth: DepthNet, pose: PoseNet | None) -> list[str]:
    """The same with those of the files that are in `folder`, as the start of a training; returns the absent ones.

    Published folders have encoder.pth and depth.pth alone. Raises NetworkError where not even encoder.pth is there.
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
    what = depth.name + (f" with a ResNet-{pose.num_layers} pose net" if pose else "")
    parts = [(module, folder / name, _tensors(folder / name)) for name, module in modules.items()]
    state_files.load_exactly(parts, what, _what_fits_instead)


def _tensors(path: Path) -> dict[str, object]:
    content = {name: value for name, value in _read(path).items() if name not in SIZE_ENTRIES}
    return state_files.plain_names(content)


def _read(path: Path) -> dict[str, object]:
    """Named tensors and size entries."""
    if not path.is_file():
        if (path.parent / ENCODER).is_file():
            raise NetworkError(f"{path.parent} has no {path.name}; needed here are {ENCODER} {DECODER} and, for training, "
                               f"{POSE_ENCODER} {POSE_DECODER}")  # fmt: skip
        raise NetworkError(
            f"{path.parent} has no {path.name}; give the folder of one epoch's weights, such as RUN/models/weights_29"
        )
    content = state_files.read(path)
    beside = {name: content[name] for name in SIZE_ENTRIES if name in content}  # of a wrapper such as "state_dict"
    return {**beside, **state_files.unwrapped(content)}


def _what_fits_instead(path: Path, content: dict[str, object]) -> str:
    """Which flag would make the file fit, in words, or nothing."""
    part = "encoder" if path.name in (ENCODER, POSE_ENCODER) else "decoder"
    if path.name in (ENCODER, DECODER):
        names = identify.depth_variants(content, part, state_files.equal)
        return f"these are {' or '.join(names)} weights: --model {names[0]}" if names else ""
    layers = identify.pose_layers(content, part, state_files.equal)
    return f"these belong to a ResNet-{layers[0]} pose net: --num_layers {layers[0]}" if layers else ""


def _plain_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The state of `module` on the CPU: contiguous, floating tensors in float32, sharing memory with nothing."""

    def plain(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else tensor.dtype)
        return tensor.clone(memory_format=torch.contiguous_format)

    return {name: plain(tensor) for name, tensor in module.state_dict().items()}


def _write(path: Path, content: dict[str, object]) -> None:
    data = io.BytesIO()  # a full disk speaks for itself only where torch is not between
    torch.save(content, data)
    with path.open("wb") as file:
        file.write(data.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def _may_be_replaced(folder: Path) -> bool:
    """Nothing, a link, an empty folder or a weights folder: never somebody's other files."""
    if folder.is_symlink() or not folder.exists():
        return True
    return folder.is_dir() and ((folder / ENCODER).is_file() or not any(folder.iterdir()))


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
