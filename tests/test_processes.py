"""The limits of the other tests: what does not end is ended and shown, with all that it started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import processes
import pytest

HANGS = "echo half way; sleep 600 & echo $! > child; wait"


def gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_a_process_that_hangs_fails_its_test_with_what_it_printed_and_leaves_no_child(tmp_path):
    with pytest.raises(pytest.fail.Exception, match=r"no end within 1 s of .*sleep 600(.|\n)*half way"):
        processes.run(["bash", "-c", HANGS], seconds=1, cwd=tmp_path)
    processes.wait_until("the end of the child", lambda: gone(int((tmp_path / "child").read_text())), 20)


def test_a_process_that_its_test_leaves_behind_is_ended():
    left = processes.start(["sleep", "600"])
    processes.end_all()
    assert left.returncode == -9


def test_waiting_ends_with_the_limit_or_with_the_process_that_was_waited_for():
    with pytest.raises(pytest.fail.Exception, match="not within 0 s: a sign"):
        processes.wait_until("a sign", lambda: False, 0)
    ends = processes.start(["bash", "-c", "echo why; exit 3"], stdout=subprocess.PIPE)
    with pytest.raises(pytest.fail.Exception, match="ended with 3 before: a sign\nwhy"):
        processes.wait_until("a sign", lambda: False, 20, by=ends)
