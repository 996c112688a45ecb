"""ImageNet starting points: a published Lite-Mono backbone for the depth encoder, a ResNet for the pose encoder."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import huggingface_hub
import torch
from torch import Tensor, nn

from networks import identify, state_files
from networks.depth_net import DepthNet
from networks.errors import NetworkError
from networks.pose import RESNETS, PoseNet, create_pose
from networks.replaced_folders import made_folder
from networks.unet import UNetResNet18

WEIGHTS_FOLDER = Path("weights")  # in the current folder; `python -m litemono.prepare weights` fills it
HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # what timm calls them in its Hugging Face repositories


def load_imagenet_encoder(depth: DepthNet, file: Path) -> list[str]:
    """Start the depth encoder from a published ImageNet backbone (lite-mono-pretrain.pth and the like).

    Used are the entries under `model` that the encoder has, less those that begin with "norm". Returns the names of the
    other tensors, which are ignored. What the encoder has and the file lacks keeps its values, with a warning. A trained
    encoder.pth of the same network, and a checkpoint of timm's train script (networks/timm_models.py), are taken as they are.
    """
    state, wanted = state_files.read(file), depth.encoder.state_dict()
    backbone = state.get("model")
    if not isinstance(backbone, dict):
        trained = state_files.plain_names(state_files.unwrapped(state))
        if wanted.keys() <= trained.keys() and state_files.fits(wanted, {name: trained[name] for name in wanted}):
            depth.encoder.load_state_dict({name: trained[name] for name in wanted})
            return [name for name, value in trained.items() if name not in wanted and isinstance(value, Tensor)]
        if "state_dict" in state:  # of timm's script, with a classifier
            _refuse_another_variant(file, trained)
        raise NetworkError(
            f"{file} has no 'model' entry, so it is no ImageNet backbone, and no encoder of {depth.name}; to start from trained "
            f"weights: --load_weights {shlex.quote(str(file.parent))}, with the --model that they are of"
        )
    backbone = state_files.plain_names(backbone)
    used = {name: value for name, value in backbone.items() if name in wanted and not name.startswith("norm")}
    if not state_files.fits(wanted, used):
        _refuse_another_variant(file, backbone)
        misfit = state_files.compare({name: wanted[name] for name in used}, used)
        if misfit or not used:
            raise NetworkError(f"{file} does not fit {depth.name}: {misfit or 'none of its names is in the encoder'}")
    depth.encoder.load_state_dict(used, strict=False)
    missing = [name for name in wanted if name not in used]
    if missing:
        warnings.warn(f"{file} lacks {state_files.some_of(missing)}, which keep their initial values", stacklevel=2)
    return [name for name in backbone if name not in used]


def _refuse_another_variant(file: Path, backbone: Mapping[str, object]) -> None:
    others = identify.depth_variants(backbone, "encoder", state_files.fits)
    if others:
        raise NetworkError(f"{file}: this is a {' or '.join(others)} backbone: --model {others[0]}")


def load_pose_imagenet(pose: PoseNet, source: Path | None) -> None:
    """Start the pose encoder from an ImageNet ResNet of the same depth; never asks the network.

    source: a state dict in torchvision's or timm's names (.pth or .safetensors), or None for what an earlier
    `prepare weights` or timm has left on this machine.
    """
    file = _resnet_file(pose.num_layers, source, "pose encoder")
    pose.encoder.encoder.load_state_dict(_resnet_state(pose.encoder.encoder, file, pose.num_layers))


def load_unet_imagenet(net: UNetResNet18, source: Path | None) -> None:
    """Start the encoder of a U-Net from an ImageNet ResNet-18; source as in load_pose_imagenet."""
    file = _resnet_file(18, source, "encoder")
    net.encoder.load_state_dict(_resnet_state(net.encoder, file, 18, unused=("fc.weight", "fc.bias")))


def _resnet_file(num_layers: int, source: Path | None, what: str) -> Path:
    """`source`, or the ImageNet weights on this machine; NetworkError where there are none."""
    file = Path(source) if source is not None else find_pose_imagenet(num_layers)
    if file is None:
        name = RESNETS[num_layers]
        raise NetworkError(
            f"the ImageNet weights of the {what} ({name}) are not on this machine, and compute nodes have no "
            "internet; run `python -m litemono.prepare weights` on a login node, or give --weights_init scratch or a "
            f"local file ({WEIGHTS_FOLDER / name}.safetensors)"
        )
    return file


def find_pose_imagenet(num_layers: int) -> Path | None:
    """The local file of ImageNet weights: in weights/, else in timm's Hugging Face cache, else None."""
    name = RESNETS[num_layers]
    for suffix in (".safetensors", ".pth"):
        if (WEIGHTS_FOLDER / f"{name}{suffix}").is_file():
            return WEIGHTS_FOLDER / f"{name}{suffix}"
    for filename in HUB_FILES:
        cached = huggingface_hub.try_to_load_from_cache(f"timm/{name}", filename)
        if isinstance(cached, str):
            return Path(cached)
    return None


def fetch_pose_imagenet(num_layers: int, folder: Path = WEIGHTS_FOLDER) -> Path:
    """Download the pose encoder's ImageNet weights to `folder`, unless they are there; returns the file."""
    pose = create_pose(num_layers)
    name = RESNETS[num_layers]
    folder = Path(folder)
    target = folder / f"{name}.safetensors"
    if target.exists():
        _resnet_state(pose.encoder.encoder, target, pose.num_layers)
        return target
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(made_folder(folder))
            partial = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=".download-"))
        except OSError as error:
            raise NetworkError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None
        try:
            got = huggingface_hub.hf_hub_download(f"timm/{name}", HUB_FILES[0], local_dir=partial)
            _resnet_state(pose.encoder.encoder, Path(got), pose.num_layers)
        except Exception as error:  # no connection, proxy, HTTP status, full disk: each library has its own class
            raise NetworkError(
                f"cannot download timm/{name} from the Hugging Face hub ({_first_line(error)}); run this where there is "
                f"internet, or copy {HUB_FILES[0]} of that repository to {target}"
            ) from error
        os.replace(got, target)
    return target


def _resnet_state(encoder: nn.Module, file: Path, num_layers: int, unused: Sequence[str] = ()) -> dict[str, Tensor]:
    """An ImageNet ResNet's state for an encoder of more than three channels. The file may have `unused` tensors.

    The features begin as ImageNet's: of several images conv1 sees each with its share of the weight, so that its output keeps its
    size. The weights of channels beyond whole images begin as 0.
    """
    own = encoder.state_dict()
    channels = own["conv1.weight"].shape[1]
    wanted = {**own, "conv1.weight": own["conv1.weight"][:, :3]}
    state = state_files.plain_names(state_files.unwrapped(state_files.read(file)))
    # torchvision's files are older than this counter.
    counters = {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked")}
    state = {name: value for name, value in {**counters, **state}.items() if name not in unused}
    difference = state_files.compare(wanted, state)
    if difference:
        raise NetworkError(f"{file} is not an ImageNet ResNet-{num_layers}: {difference}")
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}  # all, as `compare` says
    first, (images, others) = tensors["conv1.weight"], divmod(channels, 3)
    tensors["conv1.weight"] = torch.cat([first / images] * images + [torch.zeros_like(first[:, :others])], dim=1)
    return tensors


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
