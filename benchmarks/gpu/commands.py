"""Runs a part's commands within its time. Whatever they started ends with them: it would hold the card for the next part."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import IO

from benchmarks.gpu.parts import ROOT, environment

PASSED, FAILED, TOO_LONG = "passed", "failed", "ran past its limit"
GRACE = 10.0  # seconds between the request to end and the end
LOOK_SECONDS = 0.5  # between looks whether a signal was lost
_asked = threading.Event()


def run_command(command: tuple[str, ...], log: IO[str], seconds: float, device: str) -> str:
    """PASSED, FAILED or TOO_LONG; its output goes to `log`."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(device),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a group that can be ended as one
    )
    try:
        return PASSED if _wait(process, max(1.0, seconds)) == 0 else FAILED
    except subprocess.TimeoutExpired:
        return TOO_LONG
    finally:  # also where this process is interrupted
        end_group(process)


def _wait(process: subprocess.Popen, seconds: float) -> int:
    """Exit status. Raises TimeoutExpired; KeyboardInterrupt too where the one of the handler was lost: Python ignores what is
    raised in some places, such as destructors."""
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        try:
            return process.wait(min(LOOK_SECONDS, max(0.0, left)))
        except subprocess.TimeoutExpired:
            if _asked.is_set():
                raise KeyboardInterrupt from None
            if left <= LOOK_SECONDS:
                raise


def end_group(process: subprocess.Popen) -> None:
    """The process and all that it started and left running."""
    for how, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            process.poll()  # or it would be a zombie, and its group exist
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)


@contextlib.contextmanager
def ended_like_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP (a time limit, a closed terminal) become KeyboardInterrupt, as SIGINT: the running part is ended too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        _asked.set()
        raise KeyboardInterrupt

    _asked.clear()
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
