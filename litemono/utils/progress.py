"""The progress bar of every command that counts frames, images or bytes."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from litemono.utils.formatting import duration

Item = TypeVar("Item")
REDRAW_S = 0.2
COUNT: tuple[type[ProgressColumn], ...] = (MofNCompleteColumn, TimeRemainingColumn)
BYTES: tuple[type[ProgressColumn], ...] = (DownloadColumn, TransferSpeedColumn, TimeRemainingColumn)


@contextlib.contextmanager
def progress_bar(
    total: int | None, what: str, columns: tuple[type[ProgressColumn], ...] = COUNT, console: Console | None = None
) -> Iterator[Callable[..., None]]:
    """A bar that is there until the block ends; call the result with what is done since (default 1), from any thread.

    console: default stderr. Nothing is drawn where it is not a terminal.
    The bar has no thread of its own: each call may draw it anew.
    """
    console = console or Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *(column() for column in columns),
        console=console,
        transient=True,
        auto_refresh=False,
        disable=not console.is_terminal,
    )
    drawn = time.monotonic()
    with bar:
        task = bar.add_task(what, total=total)

        def advance(count: int = 1) -> None:
            nonlocal drawn
            bar.advance(task, count)
            if time.monotonic() - drawn > REDRAW_S:
                drawn = time.monotonic()
                bar.refresh()

        yield advance


def track(items: Iterable[Item], total: int | None, what: str, log_seconds: float | None = None) -> Iterator[Item]:
    """Pass `items` through while a bar on stderr counts them; total: None where it is not known.

    log_seconds: where stderr is not a terminal, print a line with speed and remaining time this often instead.
    """
    console = Console(stderr=True)
    log = None if console.is_terminal or log_seconds is None else _Log(total, what, log_seconds)
    with progress_bar(total, what, console=console) as advance:
        for item in items:
            yield item
            advance()
            if log is not None:
                log.count()


class _Log:
    """Lines for a log file."""

    def __init__(self, total: int | None, what: str, every: float) -> None:
        self.total, self.what, self.every = total, what, every
        self.done, self.began = 0, time.monotonic()
        self.next = self.began + every

    def count(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + self.every
        rate = self.done / (now - self.began)
        rest = "" if self.total is None else f" of {self.total}, {duration((self.total - self.done) / rate)} left"
        print(f"{self.done}{rest}: {self.what}, {rate:.3g} per second", file=sys.stderr, flush=True)
