"""Work done ahead by other threads or processes, handed over in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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


def end_with_parent() -> None:
    """Let this process end when its parent does, however that ends: nobody wants its results any more."""

    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("end_with_parent() is for worker processes; this one was not started by multiprocessing")

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
