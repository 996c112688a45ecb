"""Two runs, or two packs, bit by bit."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from litemono.engine import checkpoint
from litemono.engine.checkpoint_paths import checkpoint_folder, checkpoints
from litemono.engine.tensorboard import events_in

TIMED = {"images_per_second", "data_wait"}  # curves that measure the machine
OWN = {"log_dir", "model_name"}  # settings that say where a run is


class Comparison(NamedTuple):
    """What was compared, and what differs."""

    bytes: int
    differing: int
    where: list[str]
    """Names of what differs or is on one side only."""


def compare(one: dict[str, bytes], other: dict[str, bytes]) -> Comparison:
    """Contents by name."""
    differing, where = 0, []
    for name in sorted(one.keys() | other.keys()):
        a, b = one.get(name), other.get(name)
        if a is None or b is None:
            where.append(f"{name} is only in {'the second' if a is None else 'the first'}")
            differing += len(a or b or b"")
        elif a != b:
            count = sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
            where.append(f"{name}: {count} of {len(a)} bytes differ")
            differing += count
    return Comparison(sum(map(len, one.values())), differing, where)


def run_contents(run: Path) -> dict[str, bytes]:
    """Weights, the newest checkpoint, curves and pictures of a run folder, as named bytes; also the names of its files."""
    state = checkpoint.load(checkpoints(checkpoint_folder(run))[-1])
    state.pop("config")
    for optimizer in state["optimizers"]:
        for group in optimizer["param_groups"]:
            group.pop("lr")  # set anew before each step, so that of a run resumed behind its last step is not
    progress = {name: value for name, value in state.pop("progress").items() if name != "restarts"}
    found = dict(tensors(state, "checkpoint"))
    found["progress"] = repr(sorted(progress.items())).encode()
    for path in sorted((run / "models").rglob("*")):
        name = str(path.relative_to(run))
        if path.suffix == ".pth":
            try:
                found |= tensors(torch.load(path, map_location="cpu", weights_only=True), name)
            except Exception as error:
                raise ValueError(f"{name} cannot be read: {error}") from error
        elif path.name == "config.json":
            found[name] = repr(without(json.loads(path.read_text()), OWN)).encode()
        else:
            found[name] = path.read_bytes() if path.is_file() else b""
    for which in ("train", "val"):
        found |= curves(run / which)
    hidden = sorted(str(path.relative_to(run)) for path in run.rglob(".*") if path.name != ".lock")
    return found | {"leftovers": repr(hidden).encode()}


def tensors(value: Any, name: str) -> Iterator[tuple[str, bytes]]:
    """Every tensor below `value`, and every plain value, by its place."""
    if isinstance(value, torch.Tensor):
        kind = f"{value.dtype} {tuple(value.shape)} ".encode()
        yield name, kind + value.detach().contiguous().numpy().tobytes()
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from tensors(entry, f"{name}:{key}")
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from tensors(entry, f"{name}[{index}]")
    else:
        yield name, repr(value).encode()


def curves(folder: Path) -> dict[str, bytes]:
    """All points of a curve under its tag, by step; a point logged more than once is there more than once."""
    points: dict[str, list[tuple[int, bytes]]] = {}
    for event in events_in(folder):
        for value in event.summary.value:
            content = value.image.encoded_image_string or struct.pack("<f", value.simple_value)
            points.setdefault(f"{folder.name}/{value.tag}", []).append((event.step, content))
    return {
        tag: b"".join(struct.pack("<q", step) + content for step, content in sorted(values))
        for tag, values in points.items()
        if tag.partition("/")[2] not in TIMED
    }


def without(settings: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {
        group: {name: value for name, value in values.items() if name not in names}
        for group, values in settings.items()
    }


def pack_contents(root: Path) -> dict[str, bytes]:
    """The files of a pack. Its index lists drives in the order in which they were finished, which may differ."""
    found = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.name == "packed.json":
            content = json.dumps(json.loads(content), sort_keys=True).encode()
        found[str(path.relative_to(root))] = content
    return found
