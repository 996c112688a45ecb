"""What is wrong with the user's own data while a command is refused. Advice says how to put it right."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

Damage = Callable[[Path], None]


def replaced(file: Path, content: bytes) -> None:
    file.unlink(missing_ok=True)  # it may be a link
    file.write_bytes(content)


def cut(name: str, length: int = 100) -> Damage:
    return lambda own: replaced(own / name, (own / name).read_bytes()[:length])


def changed_byte(name: str) -> Damage:
    """In the middle of the last array of an .npz file, which then has another checksum."""

    def change(own: Path) -> None:
        content = bytearray((own / name).read_bytes())
        content[content.rindex(b"PK\x03\x04") + 400] ^= 1
        replaced(own / name, bytes(content))

    return change


def written(name: str, text: str) -> Damage:
    return lambda own: replaced(own / name, text.encode())


def setting(name: str, *left_out: str, **others: Any) -> Damage:
    """Entries of a JSON file that are absent or have other values."""

    def change(own: Path) -> None:
        stored = {**json.loads((own / name).read_text()), **others}
        kept = {key: value for key, value in stored.items() if key not in left_out}
        replaced(own / name, json.dumps(kept).encode())

    return change


def all_checkpoints(own: Path) -> None:
    for path in (own / "runs/run/checkpoints").glob("*.pt"):
        replaced(path, b"nothing")


def newest_checkpoint(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Damage:
    """One of a later step, changed."""

    def add(own: Path) -> None:
        from litemono.engine import checkpoint

        folder = own / "runs/run/checkpoints"
        state = checkpoint.load(checkpoint.checkpoints(folder)[-1])
        step = state["progress"]["step"] + 1
        checkpoint.save(folder, step, {**change(state), "progress": {**state["progress"], "step": step}}, keep=9)

    return add


def no_finite_loss(own: Path) -> None:
    for file in (own / "runs").rglob("validation.json"):
        stored = json.loads(file.read_text())
        stored["validation"]["loss"] = math.nan
        replaced(file, json.dumps(stored).encode())


def eight_bits(own: Path) -> None:
    for file in (own / "truth_png").iterdir():
        Image.new("L", (96, 48), 5).save(file)


DAMAGES: dict[str, Damage] = {
    "map cut short": cut("truth/0.npy"),
    "all checkpoints": all_checkpoints,
    "newest checkpoint of another network": newest_checkpoint(lambda state: {**state, "networks": {}}),
    "newest checkpoint without settings": newest_checkpoint(lambda state: {**state, "config": None}),
    "no tensors": lambda own: (own / "refiner/model.pt").unlink(),
    "refiner without size": setting("refiner/network.json", "height"),
    "refiner's predict": setting("refiner/network.json", predict="colour"),
    "masks without size": setting("masks/network.json", "height"),
    "no finite loss": no_finite_loss,
    "film cut short": cut("films/sound.mp4", 8),
    "8 bits": eight_bits,
    "two maps of one image": lambda own: shutil.copy(own / "depths/0.npy", own / "depths/0.npz"),
    "archive cut short": cut("archive/depths.npz"),
    "byte of an archive": changed_byte("archive/depths.npz"),
    "byte of ground truth": changed_byte("made_gt/gt.npz"),
    "small occlusions": lambda own: Image.new("L", (9, 9)).save(own / "sintel_whole/occlusions/alley_1/frame_0001.png"),
    "pairs of nothing": written("tum/associate.txt", "rgb/1.0.png\n"),
    "list of 60 MB": lambda own: os.truncate(own / "tum/rgb.txt", 60_000_000),
    "list of times": written("tum/rgb.txt", "first rgb/1.0.png\n"),
}
"""Name -> what makes it, in the folder own/ with copies of what the flags name there."""
