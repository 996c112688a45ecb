"""Where in a program a kill is aimed: at its n-th file operation or import of a kind, seen through Python's audit events.

Nothing of the program is patched: the interpreter reports each open, rename, removal and import before it happens.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
# Matched with "EVENT PATH", the first kind that fits. The worlds of lanes.py validate on drive 3.
KINDS = {
    "import": re.compile(r"import "),
    "checkpoint": re.compile(r"\S+ .*/checkpoints/"),
    "weights": re.compile(r"\S+ .*/models(/|$)"),
    "status": re.compile(r"\S+ .*/\.?status\.json"),
    "config": re.compile(r"\S+ .*/(\.?config\.json|\.lock|log\.txt)"),
    "events": re.compile(r"\S+ .*/(train|val)/\.?events"),
    "validation": re.compile(r"open .*drive_0003_sync/.*image_02/"),
    "index": re.compile(r"\S+ .*/\.?packed\.json"),
    "frames": re.compile(r"\S+ .*/(image_0[23]\.bin|\.?velodyne_points\.zip)"),
    "source": re.compile(r"open .*(\.png|\.zip)$"),
}


@dataclass(frozen=True)
class Aim:
    """Send `signal` to the process itself, `delay` seconds after its `nth` event of `kind` (counted from 1) has begun."""

    kind: str
    nth: int
    signal: int
    delay: float = 0.0
    only_workers: bool = False
    """Not in the process that was started, but in those that it starts."""

    def environment(self) -> dict[str, str]:
        return {"CHAOS_AIM": json.dumps(asdict(self))}


class Watch:
    """Counts the process's events by kind, and fires once where the aim says."""

    def __init__(self, aim: Aim | None) -> None:
        self.aim, self.counts = aim, Counter()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        kind = kind_of(event, args)
        if kind is None:
            return
        if kind == "validation" and not self.counts["status"]:  # the check before training reads these frames too
            return
        self.counts[kind] += 1
        aim = self.aim
        if aim is None or kind != aim.kind or self.counts[kind] < aim.nth:
            return
        self.aim = None
        fire(aim)


def kind_of(event: str, args: tuple[Any, ...]) -> str | None:
    if event == "import":
        return "import"
    if event not in FILE_EVENTS or not isinstance(args[0], str | bytes | os.PathLike):
        return None
    text = f"{event} {os.fsdecode(args[0])}"
    return next((kind for kind, pattern in KINDS.items() if pattern.match(text)), None)


def fire(aim: Aim) -> None:
    """At once, or while the operation is under way."""
    if not aim.delay:
        os.kill(os.getpid(), aim.signal)
        return

    def later() -> None:
        time.sleep(aim.delay)
        os.kill(os.getpid(), aim.signal)

    threading.Thread(target=later, daemon=True).start()


def install(in_worker: bool = False) -> None:
    """Watch this process as $CHAOS_AIM says; $CHAOS_COUNTS: the file that gets the number of events of each kind."""
    text, counts = os.environ.get("CHAOS_AIM"), os.environ.get("CHAOS_COUNTS")
    aim = Aim(**json.loads(text)) if text else None
    watch = Watch(aim if aim and aim.only_workers == in_worker else None)
    sys.addaudithook(watch)
    if counts and not in_worker:
        atexit.register(lambda: Path(counts).write_text(json.dumps(watch.counts)))
