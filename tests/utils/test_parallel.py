"""Work in other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import processes
import pytest

from litemono.utils.errors import UserError
from litemono.utils.parallel import process_map

ROOT = Path(__file__).resolve().parents[2]
HELD = threading.Lock()
WORKING = """
import signal
from litemono.utils.parallel import process_map
signal.signal(signal.SIGINT, signal.default_int_handler)
for result in process_map(eval, ["__import__('os').getpid()", *["__import__('time').sleep(600)"] * 2], 2):
    print(result, flush=True)
"""
"""Prints the number of a worker process, and works on."""


def fail(number: int, least: int) -> int:
    if number < least:
        raise UserError(f"{number}: too small")
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_order_and_errors_come_out(workers):
    assert list(process_map(str, range(20), workers)) == [str(number) for number in range(20)]
    with pytest.raises(UserError, match="1: too small"):
        list(process_map(partial(fail, least=2), [2, 1, 3], workers))


def test_a_worker_that_dies_is_one_sentence():
    with pytest.raises(UserError, match="a worker process died; usual reason: too little memory"):
        list(process_map(os._exit, [9], 2))


def test_locks_that_other_threads_hold_do_not_stop_workers():
    """A fork would copy the lock, and nothing that opens it."""
    held = threading.Event()
    ended = threading.Event()

    def hold() -> None:
        with HELD:
            held.set()
            ended.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    try:
        assert list(process_map(take, [1, 2], 2)) == [1, 2]
    finally:
        ended.set()
        thread.join()


def take(number: int) -> int:
    assert HELD.acquire(timeout=30), "the lock of another process's thread"
    HELD.release()
    return number


@pytest.fixture
def working(tmp_path):
    """The process of WORKING, in a group of its own, and the folder of its worker in /proc."""
    said = tmp_path / "said"
    with open(said, "w") as stdout:
        command = [sys.executable, "-c", WORKING]
        parent = processes.start(
            command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    try:
        processes.wait_until("the worker's number", lambda: said.read_text().endswith("\n"), 60, by=parent)
        worker = Path("/proc") / said.read_text().strip()
        assert worker.name.isdigit() and worker.is_dir()
        yield parent, worker
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        processes.finish(parent, 60)


def test_workers_end_with_their_parent_however_it_ends(working):
    parent, worker = working
    parent.kill()
    deadline = time.monotonic() + 60
    while worker.is_dir() and "State:\tZ" not in (worker / "status").read_text():
        assert time.monotonic() < deadline, "the worker outlives its parent"
        time.sleep(0.1)
