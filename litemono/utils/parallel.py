"""Work done ahead by other threads or processes, handed over in order.

Processes are started anew (spawn), never forked: a fork copies the locks that other threads hold, but not the threads, and the
child then waits for them. Threads of OpenMP, OpenBLAS or ONNX Runtime are enough for that. A start costs a quarter of a second.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.context import SpawnContext
from typing import Any, TypeVar

from litemono.utils.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

PROCESSES: SpawnContext = multiprocessing.get_context("spawn")
AHEAD_PER_WORKER = 4


def available_cores() -> int:
    """Cores that this process may use; all of the machine where the system does not tell (macOS, Windows)."""
    ask = getattr(os, "sched_getaffinity", None)
    return len(ask(0)) if ask else os.cpu_count() or 1


def ordered_map(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """function(item) for each item, in order; at most `ahead` results are computed before they are asked for.

    The first exception stops the rest and comes out here.
    """
    rest = iter(items)
    pending = deque(executor.submit(function, item) for item in islice(rest, ahead))
    try:
        while pending:
            result = pending.popleft().result()
            pending.extend(executor.submit(function, item) for item in islice(rest, 1))
            yield result
    finally:
        for future in pending:
            future.cancel()


def process_map(function: Callable[[Item], Result], items: Iterable[Item], num_workers: int) -> Iterator[Result]:
    """function(item) for each item, in order, by `num_workers` processes; in this one where it is 1.

    Function, items and results are pickled. Raises UserError if a process dies, and what the function raises.
    """
    if num_workers == 1:
        yield from map(function, items)
        return
    try:
        with _Workers(num_workers, mp_context=PROCESSES, initializer=end_with_parent) as executor:
            yield from ordered_map(executor, function, items, AHEAD_PER_WORKER * num_workers)
    except BrokenProcessPool:
        raise UserError("a worker process died; usual reason: too little memory (--num_workers 1)") from None


class _Workers(ProcessPoolExecutor):
    """submit() starts the processes."""

    def submit(self, *args: Any, **kwargs: Any) -> Future:
        with ctrl_c_later():
            return super().submit(*args, **kwargs)


@contextlib.contextmanager
def ctrl_c_later() -> Iterator[None]:
    """Let Ctrl-C wait until the block ends. Processes that are started in it never see one: this process decides."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Let this process end when its parent does, however that ends: its results are no longer wanted."""

    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("end_with_parent() is for worker processes; this one was not started by multiprocessing")

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
