"""Processes that tests start: each is waited for with a limit, and none outlives its test (conftest.py)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LIMIT = 300.0  # seconds; on an idle machine nothing that a test starts takes a fifth of it
_started: list[subprocess.Popen] = []


def start(command: list[object], **options) -> subprocess.Popen:
    """subprocess.Popen with text streams; a process that its test leaves behind is ended after the test."""
    process = subprocess.Popen([*map(str, command)], **{"text": True, **options})
    _started.append(process)
    return process


def finish(process: subprocess.Popen, seconds: float = LIMIT, stdin: str | None = None) -> subprocess.CompletedProcess:
    """Wait for the end. Fails the test after `seconds`, with what the process has printed, and ends the process."""
    try:
        out, err = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        pytest.fail(f"no end within {seconds:.0f} s of {process.args}\n{_printed(process)}")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(
    command: list[object], seconds: float = LIMIT, stdin: str | None = None, **options
) -> subprocess.CompletedProcess:
    """Start a process, give it `stdin`, collect what it prints, and wait for the end."""
    streams = {"stdin": subprocess.DEVNULL if stdin is None else subprocess.PIPE}
    streams |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return finish(start(command, **streams, **options), seconds, stdin)


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to the process and to all that it started, and wait for its end."""
    for pid in _family(process.pid) if process.poll() is None else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(timeout=LIMIT)


def end_all() -> None:
    """End what was started and still runs."""
    while _started:
        process = _started.pop()
        kill(process)
        for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
            stream.close()


def wait_until(
    what: str, condition: Callable[[], object], seconds: float = LIMIT, by: subprocess.Popen | None = None
) -> None:
    """Poll until the condition holds. Fails the test after `seconds`, or when the process that brings it about ends."""
    deadline = time.monotonic() + seconds
    while True:
        ended = by is not None and by.poll() is not None
        if condition():
            return
        if ended:
            pytest.fail(f"{by.args} ended with {by.returncode} before: {what}\n{_printed(by)}")
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


def _family(pid: int) -> list[int]:
    """The process and, where /proc tells (Linux), those below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *(other for child in children for other in _family(int(child)))]


def _printed(process: subprocess.Popen) -> str:
    """What an ended process had written to its pipes; not waited for where another process holds them open."""
    try:
        texts = process.communicate(timeout=5)
    except subprocess.TimeoutExpired as late:
        texts = [
            text.decode(errors="replace") if isinstance(text, bytes) else text for text in (late.output, late.stderr)
        ]
    return "".join(filter(None, texts))
