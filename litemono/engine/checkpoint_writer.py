"""Checkpoints are written by a thread while the training computes.

At the step, the state is copied to host memory; what later steps change is not in the copy. The thread then serialises it,
computes the checksum, writes, syncs, renames and removes old checkpoints (checkpoint.py). One write at a time: the next waits
for it, so that no more than one copy is held, and checkpoints appear in the order of their steps.
"""

from __future__ import annotations

import copy
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from litemono.engine import checkpoint


class CheckpointWriter:
    """Used by the process that writes. A failed write is raised by the next call, as if that call had written."""

    def __init__(self, folder: Path, keep: int) -> None:
        """folder: of the checkpoints; keep: as many of them."""
        self._folder, self._keep = folder, keep
        self._host = HostCopy()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[Path] | None = None

    def write(self, step: int, state: dict[str, Any]) -> None:
        """Have `state` written as it is now; returns when it is copied, which is after the write before has ended."""
        self.wait()
        copied = self._host.of(state)
        self._writing = self._thread.submit(checkpoint.save, self._folder, step, copied, self._keep)

    def wait(self) -> None:
        """Until the checkpoint is complete."""
        if self._writing is not None:
            wait([self._writing])  # a second Ctrl-C may interrupt this; the write is still known then
            ended, self._writing = self._writing, None
            ended.result()

    def raise_failure(self) -> None:
        """Raise what the write ended with, if it has ended."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def close(self) -> None:
        """After the last write: end the thread."""
        self._thread.shutdown()


class HostCopy:
    """Copies of a state in host memory, in buffers that are used again; page-locked for tensors of a GPU, which is faster."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[Any, ...], Tensor] = {}

    def of(self, state: dict[str, Any]) -> dict[str, Any]:
        """The copy; valid until the next call."""
        copied = self._copy(state, ())
        if torch.cuda.is_initialized():
            torch.cuda.current_stream().synchronize()
        return copied

    def _copy(self, value: Any, place: tuple[Any, ...]) -> Any:
        """place: keys and numbers that lead to `value` in the state."""
        if isinstance(value, Tensor):
            return self._buffer(value, place).copy_(value.detach(), non_blocking=True)
        if isinstance(value, dict):
            copied = copy.copy(value)  # with the attributes that torch gives to a state_dict
            copied.update((key, self._copy(entry, (*place, key))) for key, entry in value.items())
            return copied
        if isinstance(value, list | tuple):
            return type(value)(self._copy(entry, (*place, number)) for number, entry in enumerate(value))
        return value

    def _buffer(self, value: Tensor, place: tuple[Any, ...]) -> Tensor:
        """With the shape, number format and memory layout of `value`."""
        buffer, layout = self._buffers.get(place), (value.shape, value.dtype, value.stride())
        if buffer is None or (buffer.shape, buffer.dtype, buffer.stride()) != layout:
            buffer = self._buffers[place] = torch.empty_like(value, device="cpu", pin_memory=value.is_cuda)
        return buffer
