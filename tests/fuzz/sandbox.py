"""What no input may make a program do, seen through Python's audit events."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.rename": (0, 1), "os.remove": (0,), "os.mkdir": (0,), "os.rmdir": (0,), "os.symlink": (1,), "os.link": (1,),
           "os.truncate": (0,), "os.chmod": (0,), "os.chown": (0,)}  # fmt: skip
PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect", "ctypes.dlopen"}
# What reading arrays and tensors without running code may look up.
UNPICKLED = ("numpy", "torch", "collections", "_codecs", "argparse")


class Sandbox:
    """Notes offences while `on`; installed once in a process, because an audit hook cannot be removed."""

    def __init__(self, inside: Path) -> None:
        self.inside = os.path.realpath(inside)
        self.on, self.offences = False, list[str]()
        sys.addaudithook(self._see)

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in PROGRAMS:
            self.offences.append(f"{event} {args[:1]}")
        elif event == "pickle.find_class" and args[0].split(".")[0] not in UNPICKLED:
            self.offences.append(f"unpickles {args[0]}.{args[1]}")
        elif event == "open" and self._writes(args):
            self._check(event, args[0])
        elif event in CHANGES:
            for place in CHANGES[event]:
                self._check(event, args[place])

    @staticmethod
    def _writes(args: tuple[Any, ...]) -> bool:
        mode, flags = args[1], args[2]
        return bool(flags & WRITING) if isinstance(flags, int) else bool(mode and set(mode) & set("wax+"))

    def _check(self, event: str, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        place = os.path.join(
            os.path.realpath(os.path.dirname(os.fsdecode(path)) or "."), os.path.basename(os.fsdecode(path))
        )
        if not f"{place}/".startswith(f"{self.inside}/") and place != os.devnull:
            self.offences.append(f"{event} {place}")
