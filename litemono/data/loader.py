"""From data set to batches: the threads that read them, and sending them ahead to the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Protocol, TypeVar

import torch

from litemono.data.batch import Key
from litemono.utils.parallel import ordered_map

Result = TypeVar("Result")
AHEAD = 2  # batches read before they are asked for, per thread


class BatchSource(Protocol):
    """What the loader needs of a data set; `batch` and `to_send` are called by several threads at the same time."""

    def batch(self, keys: Sequence[Key]) -> Any:
        """The samples of `keys`, a NamedTuple of tensors."""

    def to_send(self, keys: Sequence[Key]) -> Any:
        """The same in pages that a GPU copies from; `on(device)` of it is the batch, completed there."""


class BatchOrder(Protocol):
    """A batch sampler."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[list[Key]]: ...


class Loader:
    """Batches of a data set in the order of `batches`, read ahead by `num_workers` threads; 0: read when asked.

    Threads, because what reading does (system calls, image codecs, resizing) runs outside Python's lock: batches need
    not be copied between processes, and nothing is left behind when the program ends.
    """

    def __init__(self, dataset: BatchSource, batches: BatchOrder, num_workers: int, device: torch.device | str) -> None:
        self.dataset, self.batches, self.num_workers = dataset, batches, num_workers
        self.device = torch.device(device)

    def __len__(self) -> int:
        return len(self.batches)

    @cached_property
    def stream(self) -> torch.cuda.Stream:
        """For sending ahead; one for all epochs, because torch keeps the memory that each stream has used for itself."""
        return torch.cuda.Stream(self.device)

    def __iter__(self) -> Iterator[Any]:
        if self.device.type == "cuda":
            return sent_ahead(self.read(self.dataset.to_send), self.device, self.stream)
        return self.read(self.dataset.batch)

    def read(self, read: Callable[[list[Key]], Result]) -> Iterator[Result]:
        """read(keys) of each batch, in order."""
        if self.num_workers == 0:
            yield from map(read, self.batches)
            return
        with ThreadPoolExecutor(self.num_workers, "loader") as threads:
            yield from ordered_map(threads, read, self.batches, ahead=AHEAD * self.num_workers)


def sent_ahead(batches: Iterator[Any], device: torch.device, stream: torch.cuda.Stream) -> Iterator[Any]:
    """The batches on a CUDA device, as far as their method `on` sends them; the next one is sent (and resized) while the
    current one is used.

    Of a Batch, all but the frames stays in (pinned) host memory, where augmentation looks at it without waiting for the device.
    """

    def send(batch: Any) -> tuple[Any, torch.cuda.Event]:
        with torch.cuda.stream(stream):
            sent = batch.on(device)
        return sent, stream.record_event()

    def receive(batch: Any, sent: torch.cuda.Event) -> Any:
        current = torch.cuda.current_stream(device)
        current.wait_event(sent)
        for tensor in batch:
            if tensor.is_cuda:
                tensor.record_stream(current)  # its memory may be reused only when the current stream is done with it
        return batch

    waiting = None
    for batch in batches:
        upcoming = send(batch)
        if waiting is not None:
            yield receive(*waiting)
        waiting = upcoming
    if waiting is not None:
        yield receive(*waiting)
