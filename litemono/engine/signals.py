"""Signals set a flag; the training loop acts on it between steps."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

from litemono.utils import cli
from litemono.utils.errors import USER_ERRORS

# SIGTERM: scancel, preemption, time limit. USR1/USR2: Slurm's early warning. SIGINT: Ctrl-C.
NAMES = ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2")  # Windows lacks the last two
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


class StoppedBySignal(Exception):
    """An error after a signal had arrived: the signal may have ended a compiler too, so the run is to be resumed."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"{signal.Signals(signum).name}: stopped without a checkpoint of the last steps")
        self.exit_status = cli.SIGNAL_BASE + signum


class StopFlag:
    """While the context is open, the first signal only sets `signum`; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopFlag:
        for signum in SIGNALS:
            self._previous[signum] = signal.signal(signum, self._set)
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)

    def _set(self, signum: int, _frame: FrameType | None) -> None:
        if signum == signal.SIGINT and self.signum == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signum is None:
            self.signum = signum

    def __bool__(self) -> bool:
        return self.signum is not None

    @property
    def name(self) -> str:
        return signal.Signals(self.signum).name if self.signum else "a signal to another process"

    @contextlib.contextmanager
    def explains_errors(self) -> Iterator[None]:
        """StoppedBySignal instead of an error of the user's, if a signal has arrived."""
        try:
            yield
        except USER_ERRORS as error:
            if self.signum is not None:
                raise StoppedBySignal(self.signum) from error
            raise
