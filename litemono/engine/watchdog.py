"""A process beside each training process that ends it when it hangs: --hang_minutes.

After a read that never returns, a lost peer or a stopped process, a job holds its nodes without progress until its time limit.
The training sends a heartbeat after each step. The watchdog is another process, because a process that is blocked in a system
call, or stopped, cannot end itself:

    no heartbeat      SIGCONT, in case the process was stopped; SIGQUIT: the stacks of all its threads on stderr (faulthandler)
                      $RUN/.hung-START.tmp, by which the watchdogs of other processes do the same: all stacks are in the log
    2 s later (12 s)  status.json gets the reason, and a thread of the training ends it with exit status 4 (cli.HUNG)
    5 s later         SIGKILL, where that thread cannot run either

The job is then requeued as after any crash (jobs/requeue.py). While the run starts, processor time counts as a heartbeat too:
compiling and checking data have no steps. The start, the first steps, and writing checkpoints and weights may take longer.
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from litemono.utils import cli
from litemono.utils.atomic_files import read_json, write_json

LEAST_SECONDS = 600.0
STEPS_MISSED = 20  # of the median step
STEPS_KEPT = 50  # for their median
MORE_SECONDS, MORE_SECONDS_GIVEN = 1200.0, 120.0  # for the start and for writing; where --hang_minutes is given
FIRST_STEPS = 2  # without the very first, after which it is known how long one takes
DUMP_SECONDS, OTHERS_SECONDS, EXIT_SECONDS = 2.0, 10.0, 5.0
TICKS_ALIVE = 20  # hundredths of a second of processor time that show a starting process computes


def collective_seconds(hang_minutes: float | None) -> float:
    """Timeout of a collective that another process does not join: after the watchdog's, which logs the stacks."""
    if not hang_minutes:
        return LEAST_SECONDS + MORE_SECONDS + 120
    return 60 * hang_minutes + MORE_SECONDS_GIVEN + 120


class Watchdog:
    """Started as soon as the run folder is known; call `beat` after each step, validation batch and checkpoint."""

    def __init__(self, folder: Path, hang_minutes: float | None) -> None:
        """hang_minutes: None: the larger of 10 minutes and 20 median steps; 0: no watchdog."""
        self._given = None if hang_minutes is None else 60 * hang_minutes
        self._steps: deque[float] = deque(maxlen=STEPS_KEPT)
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
            shared_file(folder),
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
        """Seconds that may pass between two heartbeats."""
        usual = statistics.median(self._steps) if self._steps else 0.0
        limit = max(LEAST_SECONDS, STEPS_MISSED * usual) if self._given is None else max(self._given, 3 * usual)
        return limit if len(self._steps) >= FIRST_STEPS else limit + self._more

    @property
    def _more(self) -> float:
        """Seconds that the start, the first steps and writing may take beyond a step."""
        return MORE_SECONDS if self._given is None else MORE_SECONDS_GIVEN

    @property
    def too_short(self) -> str:
        """Why --hang_minutes would end every run; "" where it would not, or that is not known yet."""
        if not self._given or len(self._steps) < FIRST_STEPS or statistics.median(self._steps) <= self._given:
            return ""
        step = statistics.median(self._steps)
        return (
            f"--hang_minutes {self._given / 60:g}: a step takes {step:.1f} s here, so every run would count as hung; give "
            f"--hang_minutes {math.ceil(STEPS_MISSED * step / 60)} or leave it out"
        )

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """While the context is open, weights or a checkpoint are written, which may take longer than a step."""
        self._send("beat", self.limit + self._more)
        yield
        self.beat()

    def beat(self, step_taken: bool = False) -> None:
        """Send a heartbeat. step_taken: a step was taken since the last call."""
        now = time.monotonic()
        if step_taken and self._last is not None:
            self._steps.append(now - self._last)
        self._last = now
        self._send("beat" if self._steps else "start", self.limit)

    def _send(self, kind: str, limit: float) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):  # the watchdog has ended, or the pipe is full
            os.write(self._process.stdin.fileno(), f"{kind} {limit:.3f}\n".encode())

    def _wait_for_verdict(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        if self._process.stdout.readline() == b"hung\n":
            os._exit(cli.HUNG)

    def close(self) -> None:
        """The training has ended by itself."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
            faulthandler.unregister(signal.SIGQUIT)
            self._process = None

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def shared_file(folder: Path) -> str:
    """The file with which the watchdog of one process alerts the others of this start; "" where there is one process.

    The next start removes it with all temporary files of the run folder.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return ""
    names = ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "MASTER_PORT", "TORCHELASTIC_RESTART_COUNT")
    return str(folder.absolute() / f".hung-{'-'.join(os.environ.get(name, '0') for name in names)}.tmp")


# ---------------------------------------------------------------- the process beside


def watch(pid: int, folder: Path | None, shared: Path | None) -> None:
    """Read heartbeats from stdin until the training closes it or hangs, or another process's watchdog reports a hang."""
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # meant for the training; the watchdog ends when stdin is closed
    beats = Beats()
    threading.Thread(target=beats.read, daemon=True).start()
    ticks, seen, silent, before = processor_ticks(pid), 0, 0.0, time.monotonic()
    while not beats.ended.wait(pause := min(5.0, beats.limit / 10)):
        # A longer gap means that this process was stopped too, with the job (suspended, or Ctrl-Z); it does not count.
        silent += min(time.monotonic() - before, 2 * pause)
        before = time.monotonic()
        computed = beats.starting and processor_ticks(pid) >= ticks + TICKS_ALIVE
        if computed or beats.count > seen:
            ticks, seen, silent = processor_ticks(pid), beats.count, 0.0
        elsewhere = shared is not None and shared.exists()
        if (silent > beats.limit or elsewhere) and alive(pid):
            end(pid, folder, reason(pid, silent, beats, elsewhere), beats, shared)
            return


class Beats:
    """The last heartbeat of the training."""

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


def reason(pid: int, silent: float, beats: Beats, elsewhere: bool) -> str:
    what = "the start made no progress" if beats.starting else "no step was finished"
    how_long = f"{what} for {silent:.0f} s (--hang_minutes)"
    found = "another process of this training hangs" if elsewhere else how_long
    return f"hung: {found}; the stacks of process {pid} are in the log"


def end(pid: int, folder: Path | None, message: str, beats: Beats, shared: Path | None) -> None:
    """Write the stacks into the log and the reason into status.json, then end the training."""
    if shared is not None:
        with contextlib.suppress(OSError):  # without it, the others see the connection close
            shared.touch()
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
        cli.complain(f"watchdog: {message}")
        os.kill(pid, signal.SIGQUIT)
        time.sleep(DUMP_SECONDS)
        if beats.ended.is_set():  # it ended meanwhile
            return
        if shared is not None:
            # If it ended now, the others would end before they have written their stacks. Stopped, it takes no more steps.
            os.kill(pid, signal.SIGSTOP)
            time.sleep(OTHERS_SECONDS)
        if folder is not None:
            note(folder, pid, message)
        with contextlib.suppress(BrokenPipeError):  # it has ended meanwhile
            print("hung", flush=True)
        os.kill(pid, signal.SIGCONT)
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
            write_json(folder / "status.json", {**status, **ended})


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
    watch(int(sys.argv[1]), *(Path(path) if path else None for path in sys.argv[2:4]))
