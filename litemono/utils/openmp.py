"""How OpenMP's threads wait for work. torch's threads are OpenMP's, and it reads its settings when torch is imported.

By default a waiting thread spins for milliseconds. That is fast on an idle machine. Where other processes want the same cores,
spinning threads hold them while computing threads wait, and training falls to a fraction of its speed. A short spin, after which
a thread sleeps, keeps most of it, and costs some percent on an idle machine. No spin keeps more where others fill all cores, and
costs a quarter where they end. benchmarks/busy_machine.py measures both.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from litemono.utils.parallel import available_cores

SHORT_SPIN = {"GOMP_SPINCOUNT": "1000"}
"""GNU's OpenMP, which torch's wheels contain, takes this number itself where it has more threads than cores."""
NO_SPIN = {"GOMP_SPINCOUNT": "0"}
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which a user says how threads wait."""
STAT = Path("/proc/stat")
LOOKS, LOOK_SECONDS = 5, 0.01


def choose_waiting() -> None:
    """Let waiting threads sleep sooner where the cores are wanted by others, unless the user has said how they wait.

    After a short spin where the others and this process's threads are more than the cores; at once where the others alone are
    as many. To be called before torch is imported. The variable is also seen by the processes that this one starts.
    """
    if any(name in os.environ for name in WAITING):
        return
    others, cores = running_others(), os.cpu_count() or 1
    if others >= cores:
        os.environ.update(NO_SPIN)
    elif others + available_cores() > cores:
        os.environ.update(SHORT_SPIN)


def running_others() -> int:
    """Processes and threads that are running now, without this one; 0 where the system does not tell (macOS, Windows).

    The least of several looks counts: short work of others is none.
    """
    return min(_looks(), default=1) - 1


def _looks() -> list[int]:
    """Numbers of running processes and threads, this one included."""
    found = []
    for look in range(LOOKS):
        try:
            match = re.search(r"^procs_running (\d+)", STAT.read_text(), re.MULTILINE)
        except OSError:
            return []
        found.append(int(match[1]) if match else 1)
        if look + 1 < LOOKS:
            time.sleep(LOOK_SECONDS)
    return found
