"""Checkpoints for exact resume: written atomically, verified on load, the last few kept.

A checkpoint is `checkpoints/step_00001234.pt` with its SHA-256 beside it in sha256sum's format, so that
`sha256sum -c *.sha256` checks them by hand. The checksum is put in place first: a file without a matching checksum was
never finished.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from litemono.engine.checkpoint_paths import checkpoint_path, checkpoints
from litemono.utils.atomic_files import remove_leftovers, write_atomically
from litemono.utils.device import is_out_of_memory
from litemono.utils.errors import UserError


def checksum_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def save(folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
    """Write the checkpoint of `step` and delete all but the newest `keep`."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    path = checkpoint_path(folder, step)
    line = f"{hashlib.sha256(data).hexdigest()}  {path.name}\n"
    # A step is saved twice if it was saved before its validation: until the new file is there, the old one counts.
    before = checksum_file(path).read_text() if path.exists() and checksum_file(path).exists() else ""
    write_atomically(checksum_file(path), (line + before).encode())
    write_atomically(path, data)
    if before:
        write_atomically(checksum_file(path), line.encode())
    for old in checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
        checksum_file(old).unlink(missing_ok=True)
    return path


def load(path: Path) -> dict[str, Any]:
    """Read one checkpoint onto the CPU; ValueError says what is wrong with a damaged one. No pickle is executed."""
    data = path.read_bytes()
    try:
        expected = checksum_file(path).read_text().split()[::2]
    except FileNotFoundError:
        raise ValueError("its checksum file is missing") from None
    if hashlib.sha256(data).hexdigest() not in expected:
        raise ValueError(f"its checksum does not match ({len(data)} bytes)")
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises for other content depends on what it is
        if is_out_of_memory(error):
            raise
        raise ValueError("it has its checksum, but is no checkpoint that torch can read") from None
    if not isinstance(state, dict):
        raise ValueError("it has its checksum, but holds something else than a checkpoint")
    return state


def load_newest(
    folder: Path, warn: Callable[[str], None], problem: Callable[[dict], str | None] = lambda state: None
) -> dict[str, Any] | None:
    """The newest checkpoint that is whole, or None where there is none at all.

    problem: what is wrong with a checkpoint's content; such a one is damaged too.
    Damaged ones are named through `warn` and renamed, or they would still count as the newest. Raises UserError when
    checkpoints exist but none is whole: starting from scratch then is for the user to decide. A temporary OSError of a file
    server comes through: the same file may be readable at the next try.
    """
    found = checkpoints(folder)
    damaged: list[Path] = []
    for path in reversed(found):
        try:
            state = load(path)
            if text := problem(state):
                raise ValueError(text)
        except ValueError as error:
            warn(f"{path}: damaged, {error}; falling back to the checkpoint before")
            damaged.append(path)
            continue
        for newer in damaged:
            newer.replace(newer.with_name(newer.name + ".damaged"))
        return state
    if found:
        raise UserError(f"{folder}: every checkpoint is damaged; delete the folder to train from the start")
    return None
