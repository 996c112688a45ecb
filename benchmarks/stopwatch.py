"""CPU time by stage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the CPU seconds of this thread spent in named stages.  CPU time: waiting for a busy core costs nothing."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.thread_time()
        try:
            yield
        finally:
            self.seconds[stage] += time.thread_time() - start

    def per(self, count: int) -> dict[str, float]:
        """Milliseconds of each stage for one of `count`."""
        return {stage: 1000 * seconds / count for stage, seconds in self.seconds.items()}
