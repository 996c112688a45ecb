"""The progress bar of every command that counts frames, images or bytes."""

from __future__ import annotations

import contextlib
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

Item = TypeVar("Item")
REDRAW_S = 0.2
COUNT: tuple[type[ProgressColumn], ...] = (MofNCompleteColumn, TimeRemainingColumn)
BYTES: tuple[type[ProgressColumn], ...] = (DownloadColumn, TransferSpeedColumn, TimeRemainingColumn)


@contextlib.contextmanager
def progress_bar(
    total: int, what: str, columns: tuple[type[ProgressColumn], ...] = COUNT, console: Console | None = None
) -> Iterator[Callable[..., None]]:
    """A bar that is there until the block ends; call the result with what is done since (default 1), from any thread.

    console: default stderr. Nothing is drawn where it is not a terminal.
    The bar has no thread of its own, because processes are forked under it: each call may draw it anew.
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


def track(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass `items` through while a bar on stderr counts them."""
    with progress_bar(total, what) as advance:
        for item in items:
            yield item
            advance()
