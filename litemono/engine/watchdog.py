"""A process beside each training process that ends it when it hangs: --hang_minutes.

A read that never returns, a lost peer or a stopped process leaves a job that looks alive until its time limit. The training
writes a beat after each step; the watchdog is another process, because a process that is stuck in a system call or was
stopped can do nothing about it:

    no beat in time   SIGCONT, in case the process was stopped; SIGQUIT: the stacks of all its threads on stderr (faulthandler)
    2 s later         status.json gets the reason, and a thread of the training ends it with exit status 4 (cli.HUNG)
    5 s later         SIGKILL, where that thread does not get its turn either

The job is then requeued like after any crash (jobs/requeue.py). While the run starts, a process that computes is alive too:
compiling and checking data have no steps.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

from litemono.utils import cli
from litemono.utils.atomic_files import read_json, write_atomically

LEAST_SECONDS = 600.0
STEPS_MISSED = 20  # of the median step
REMEMBERED = 50  # steps, for their median
DUMP_SECONDS, EXIT_SECONDS = 2.0, 5.0
TICKS_ALIVE = 20  # hundredths of a second of processor time that show a starting process computes


class Watchdog:
    """Started as soon as the run folder is known; `beat` after each step, each validation batch and each checkpoint."""

    def __init__(self, folder: Path, hang_minutes: float | None) -> None:
        """hang_minutes: None: the larger of 10 minutes and 20 median steps; 0: no watchdog."""
        self._given = None if hang_minutes is None else 60 * hang_minutes
        self._steps: deque[float] = deque(maxlen=REMEMBERED)
        self._last: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        if self._given == 0 or not hasattr(signal, "SIGQUIT"):  # Windows
            return
        faulthandler.register(signal.SIGQUIT, file=2, all_threads=True)  # stderr
        main = os.environ.get("RANK", "0") == "0"
        command = [
            sys.executable,
            "-m",
            "litemono.engine.watchdog",
            str(os.getpid()),
            str(folder.absolute()) if main else "",
        ]
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,  # where Python looks first: the code that trains, in a checkout or in a copy of one
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        threading.Thread(target=self._wait_for_verdict, daemon=True).start()
        self._send("start", self.limit)

    @property
    def limit(self) -> float:
        """Seconds that may pass between two beats."""
        usual = STEPS_MISSED * statistics.median(self._steps) if self._steps else 0.0
        if self._given is None:
            return max(LEAST_SECONDS, usual)
        return max(self._given, 3 * usual / STEPS_MISSED)  # less than a step would end every run

    def beat(self, step_taken: bool = False) -> None:
        """Tell the watchdog that the training works. step_taken: since the last call, a step was taken."""
        now = time.monotonic()
        if step_taken and self._last is not None:
            self._steps.append(now - self._last)
        self._last = now
        self._send("beat" if self._steps else "start", self.limit)

    def _send(self, kind: str, limit: float) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):  # the watchdog is gone, or slower than a page of beats
            os.write(self._process.stdin.fileno(), f"{kind} {limit:.3f}\n".encode())

    def _wait_for_verdict(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        if self._process.stdout.readline() == b"hung\n":
            os._exit(cli.HUNG)

    def close(self) -> None:
        """The training ends by itself."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
            faulthandler.unregister(signal.SIGQUIT)
            self._process = None

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---------------------------------------------------------------- the process beside


def watch(pid: int, folder: Path | None) -> None:
    """Read beats from stdin until the training closes it or hangs."""
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # meant for the training; the end of stdin tells when it is gone
    beats = Beats()
    threading.Thread(target=beats.read, daemon=True).start()
    ticks, seen, silent, before = processor_ticks(pid), 0, 0.0, time.monotonic()
    while not beats.ended.wait(pause := min(5.0, beats.limit / 10)):
        # A longer gap is this process's own: the job was suspended, or Ctrl-Z pressed, and the training stopped with it.
        silent += min(time.monotonic() - before, 2 * pause)
        before = time.monotonic()
        computed = beats.starting and processor_ticks(pid) >= ticks + TICKS_ALIVE
        if computed or beats.count > seen:
            ticks, seen, silent = processor_ticks(pid), beats.count, 0.0
        if silent > beats.limit and alive(pid):
            end(pid, folder, silent, beats)
            return


class Beats:
    """The newest of what the training wrote."""

    def __init__(self) -> None:
        self.count = 0
        self.limit = LEAST_SECONDS
        self.starting = True
        self.ended = threading.Event()

    def read(self) -> None:
        for line in sys.stdin:
            kind, _, limit = line.partition(" ")
            self.starting = kind == "start"
            self.limit = float(limit)
            self.count += 1
        self.ended.set()


def end(pid: int, folder: Path | None, silent: float, beats: Beats) -> None:
    """Stacks into the log, the reason into status.json, then the end of the training."""
    what = "the start made no progress" if beats.starting else "no step was finished"
    message = f"hung: {what} for {silent:.0f} s (--hang_minutes); the stacks of process {pid} are in the log"
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
        print(f"watchdog: {message}", file=sys.stderr, flush=True)
        os.kill(pid, signal.SIGQUIT)
        time.sleep(DUMP_SECONDS)
        if beats.ended.is_set():  # it ended meanwhile
            return
        if folder is not None:
            note(folder, pid, message)
        print("hung", flush=True)
        deadline = time.monotonic() + EXIT_SECONDS
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)


def note(folder: Path, pid: int, message: str) -> None:
    """State and reason for status.json, where this process wrote it."""
    status = read_json(folder / "status.json")
    if status.get("pid") == pid and status.get("state") in ("starting", "running"):
        ended = {"state": "failed", "final": False, "exit": cli.HUNG, "message": message, "updated": time.time()}
        with contextlib.suppress(OSError):
            write_atomically(folder / "status.json", (json.dumps({**status, **ended}, indent=1) + "\n").encode())


def processor_ticks(pid: int) -> int:
    """Processor time that the process has used, in hundredths of a second; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None)
