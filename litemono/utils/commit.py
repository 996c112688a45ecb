"""Which state of the code this is, for files that others find."""

from __future__ import annotations

import subprocess
from pathlib import Path

UNKNOWN = "unknown"


def code_commit() -> str:
    """The checkout's commit, with ", changed" where files differ from it; UNKNOWN where it is installed or git is absent."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=, changed", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return found.stdout.strip() if found.returncode == 0 else UNKNOWN
