"""Work done ahead by other threads or processes, handed over in order."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TypeVar

from litemono.utils.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


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


def fork_context() -> multiprocessing.context.ForkContext:
    """For workers that need nothing that was not imported here; UserError on a system without fork (Windows)."""
    if "fork" not in multiprocessing.get_all_start_methods():
        raise UserError(f"{sys.platform} cannot fork processes, which this command needs; run it on Linux or in WSL")
    return multiprocessing.get_context("fork")


def end_with_parent() -> None:
    """Let this process end when its parent does, however that ends: its results are no longer wanted."""

    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("end_with_parent() is for worker processes; this one was not started by multiprocessing")

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
