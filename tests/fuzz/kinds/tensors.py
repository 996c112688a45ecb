"""Checkpoints whose checksum is right, weights, and TensorBoard's event files."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import strategies as st
from parity_recipes import fill
from tensorboardX.record_writer import masked_crc32c

import networks
from litemono.engine import checkpoint, resume
from litemono.engine.checkpoint_paths import checkpoint_path
from litemono.engine.grad_guard import GradGuard
from litemono.engine.resume import FORMAT, Progress
from litemono.engine.settings import RunConfig, to_json
from litemono.engine.tensorboard import Curves, events_in, trim
from litemono.tasks.supervised.settings import FinetuneConfig
from networks import weights

from ..mutations import EDGES, ODD_VALUES, POSITIONS, damaged_bytes, damaged_tree
from .base import Kind, Use


class Attack:
    """Unpickled without care, it runs a program."""

    def __reduce__(self) -> tuple:
        import os

        return os.system, ("touch attacked",)


ODD_TENSORS = (
    torch.zeros(0),
    torch.full((2, 3), float("nan")),
    torch.zeros(3, dtype=torch.int64),
    torch.zeros(2, 2).to_sparse(),
    torch.zeros(1).expand(10**9),
    torch.zeros(2, dtype=torch.complex64),
    torch.zeros((), dtype=torch.bool),
)
ODD = (*ODD_VALUES, *ODD_TENSORS, (1, 2), b"bytes")


def torch_bytes(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def lists(tree: Any) -> Any:
    """The same tree with plain dictionaries, as mutations want it."""
    if isinstance(tree, dict):
        return {key: lists(value) for key, value in tree.items()}
    return [lists(value) for value in tree] if isinstance(tree, list | tuple) else tree


def config_of(folder: Path) -> FinetuneConfig:
    return FinetuneConfig(run=RunConfig(log_dir=folder, model_name="run"))


def tiny_training(folder: Path) -> SimpleNamespace:
    """What resume.restore wants of a training."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return SimpleNamespace(
        config=config_of(folder),
        run=None,
        data=SimpleNamespace(fingerprints={"data": "12 samples", "validation_data": "6 samples"}),
        networks=net,
        optimizers={"lr/net": optimizer},
        guard=GradGuard(torch.device("cpu"), "fp32"),
        progress=Progress(),
    )


def whole_state() -> dict[str, Any]:
    training = tiny_training(Path("run"))
    return lists(
        {
            "format": FORMAT,
            "config": json.loads(to_json(training.config)),
            "progress": vars(Progress(step=3, samples=6)),
            "guard": training.guard.state_dict(),
            "networks": dict(training.networks.state_dict()),
            "optimizers": [optimizer.state_dict() for optimizer in training.optimizers.values()],
            **training.data.fingerprints,
        }
    )


def use_checkpoint(folder: Path) -> Use:
    """The newest checkpoint of a run, with a checksum that is right."""
    path = checkpoint_path(folder, 3)

    def use(data: bytes) -> None:
        path.write_bytes(data)
        checkpoint.checksum_file(path).write_text(f"{hashlib.sha256(data).hexdigest()}  {path.name}\n")
        state = checkpoint.load_newest(folder, lambda text: None, resume.content_problem)
        assert state is not None
        resume.restore(tiny_training(folder), state)

    return use


def depth_net() -> networks.depth_net.DepthNet:
    net = networks.create("lite-mono-tiny", height=32, width=64)
    fill(net.encoder)
    fill(net.decoder)
    return net


def use_weights(folder: Path) -> Use:
    """depth.pth beside a whole encoder.pth."""
    net = depth_net()
    weights.save_folder(folder / "weights", net, None)

    def use(data: bytes) -> None:
        (folder / "weights/depth.pth").write_bytes(data)
        weights.load_into(folder / "weights", net, None)

    return use


def use_events(folder: Path) -> Use:
    """Read as the comparison of curves does, and cut back as a resumed run does."""
    path = folder / "events.out.tfevents.1.host.0"

    def use(data: bytes) -> None:
        path.write_bytes(data)
        trim(folder, 3)
        list(events_in(folder))
        trim(folder, 3)

    return use


def whole_events() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        curves = Curves(Path(folder), ".0")
        for step in range(1, 6):
            curves.scalar("loss", 0.5, step)
        curves.close()
        return next(Path(folder).iterdir()).read_bytes()


def records(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at + 12 <= len(data):
        length = struct.unpack_from("<Q", data, at)[0]
        found.append(data[at + 12 : at + 12 + length])
        at += 16 + length
    return found


@st.composite
def damaged_events(draw: Callable, whole: bytes) -> bytes:
    """Records with damaged payloads or lengths behind a right checksum."""
    payloads = records(whole)
    at = draw(POSITIONS) % len(payloads)
    payloads[at] = draw(damaged_bytes([payloads[at] or b"\0"], 3))
    lying = draw(st.integers(-1, len(payloads) - 1))
    parts = []
    for index, payload in enumerate(payloads):
        length = struct.pack(
            "<Q", draw(st.sampled_from((*EDGES, 2**63, 2**64 - 1))) if index == lying else len(payload)
        )
        parts.append(
            length + struct.pack("<I", masked_crc32c(length)) + payload + struct.pack("<I", masked_crc32c(payload))
        )
    return b"".join(parts)


STATE, DECODER = whole_state(), lists(dict(depth_net().decoder.state_dict()))
ATTACKS = st.sampled_from((pickle.dumps(Attack()), torch_bytes({"format": Attack()}), torch_bytes(Attack())))
CHECKPOINTS = Kind("checkpoints", [torch_bytes(STATE)], st.one_of(
    damaged_tree(STATE, ODD).map(torch_bytes), damaged_tree(STATE, ODD).map(torch_bytes), damaged_bytes([torch_bytes(STATE)]),
    ATTACKS), use_checkpoint)  # fmt: skip
WEIGHTS = Kind("weights", [torch_bytes(DECODER), torch_bytes({"state_dict": DECODER, "epoch": 3})], st.one_of(
    damaged_tree(DECODER, ODD).map(torch_bytes), damaged_bytes([torch_bytes(DECODER)]), ATTACKS), use_weights)  # fmt: skip
EVENTS = Kind("event files", [whole_events()], st.one_of(damaged_events(whole_events()), damaged_bytes([whole_events()])),
              use_events)  # fmt: skip
