"""Numbers of the steps, on their way from the device to the host."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

import torch

Note = TypeVar("Note")

LAG = 2  # steps; the GPU then always has one step queued while the host prepares the next


class Readback(Generic[Note]):
    """What was pushed comes back in order: on a CPU at once, from a GPU `LAG` steps later, so that the host never waits for a
    step that has only just been queued. The lag is fixed, so that all processes of a run act on the same step.
    """

    def __init__(self, device: torch.device) -> None:
        self.lag = LAG if device.type == "cuda" else 0
        self._waiting: deque[tuple[torch.Tensor, torch.cuda.Event | None, Note]] = deque()

    def push(self, numbers: torch.Tensor, note: Note) -> None:
        """numbers: (N,) on the device."""
        arrived = None
        if numbers.device.type == "cuda":
            numbers = numbers.to("cpu", non_blocking=True)  # torch takes pinned memory for this
            arrived = torch.cuda.Event()
            arrived.record()
        self._waiting.append((numbers, arrived, note))

    def arrived(self) -> Iterator[tuple[list[float], Note]]:
        """What has arrived by now."""
        return self._take(self.lag)

    def drain(self) -> Iterator[tuple[list[float], Note]]:
        """All that is left."""
        return self._take(0)

    def _take(self, leave: int) -> Iterator[tuple[list[float], Note]]:
        while len(self._waiting) > leave:
            numbers, arrived, note = self._waiting.popleft()
            if arrived is not None:
                arrived.synchronize()
            yield numbers.tolist(), note
