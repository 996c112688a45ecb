"""Work in other processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from conftest import ROOT

POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from litemono.utils.parallel import end_with_parent
with ProcessPoolExecutor(1, multiprocessing.get_context("fork"), initializer=end_with_parent) as executor:
    print(executor.submit(os.getpid).result(), flush=True)
    executor.submit(time.sleep, 600).result()
"""


def test_workers_end_with_their_parent_however_it_ends():
    parent = subprocess.Popen([sys.executable, "-c", POOL], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    worker = Path("/proc") / parent.stdout.readline().strip()
    assert worker.is_dir()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while worker.is_dir() and "State:\tZ" not in (worker / "status").read_text():
        assert time.monotonic() < deadline, "the worker outlives its parent"
        time.sleep(0.1)
