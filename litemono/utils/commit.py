"""Which state of the code this is, for files that others find."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from litemono import __version__
from litemono.utils.atomic_files import read_json
from litemono.utils.packages import ROOT
from litemono.utils.typed_json import well_typed

UNKNOWN = "unknown"
FOLDERS = ("litemono", "networks", "evaluate", "export_gt", "splits")
"""What a training reads of its checkout."""
SNAPSHOT = "snapshot.json"
"""At the root of a copy of the code that jobs/snapshot.py made: what it is a copy of."""


class CodeState(NamedTuple):
    """Of the code in a checkout, in a snapshot of one, or installed."""

    litemono: str
    """Version."""
    commit: str
    """UNKNOWN where the code is no checkout, or git is absent."""
    diff: str
    """First digits of the SHA-256 of what differs from the commit; "" where nothing does."""


def code_state(root: Path = ROOT) -> CodeState:
    """Of the code that runs."""
    note = well_typed(read_json(root / SNAPSHOT), dict.fromkeys(CodeState._fields, str))
    if len(note) == len(CodeState._fields):
        return CodeState(**note)
    if not is_checkout(root):
        return CodeState(__version__, UNKNOWN, "")
    changes = working_changes(root)
    digits = hashlib.sha256(changes).hexdigest()[:12] if changes else ""
    return CodeState(__version__, (git(root, "rev-parse", "HEAD") or b"").decode().strip() or UNKNOWN, digits)


def code_commit() -> str:
    """The commit, with ", changed" where the code differs from it; UNKNOWN where it is installed or git is absent."""
    state = code_state()
    return state.commit[:10] + (", changed" if state.diff else "")


def typed_command() -> str:
    """By which this process was started; inside a job, by which the job was submitted."""
    python, *arguments = sys.orig_argv
    return os.environ.get("LITEMONO_COMMAND") or shlex.join([Path(python).name, *arguments])


def is_checkout(root: Path) -> bool:
    """Whether git has this code. An installed package may lie inside the checkout of something else."""
    return git(root, "ls-files", "--error-unmatch", "litemono/__init__.py") is not None


def untracked(root: Path) -> list[str]:
    """New files in the code's folders that git does not ignore."""
    listed = git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *FOLDERS) or b""
    return sorted(name for name in listed.decode(errors="surrogateescape").split("\0") if name)


def working_changes(root: Path) -> bytes:
    """The code's difference from the commit, as git writes it, and the new files; b"" where there is none."""
    changes = git(root, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-color", "--", *FOLDERS) or b""
    for name in untracked(root):
        path = root / name
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        changes += f"new file {name} {digest}\n".encode(errors="surrogateescape")
    return changes


def git(root: Path, *command: str) -> bytes | None:
    """What git prints; None where it fails or is absent."""
    try:
        done = subprocess.run(["git", "-C", str(root), *command], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
