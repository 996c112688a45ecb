"""The evaluate command, run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_kitti import Outcome, invoke

from evaluate.__main__ import main

FLOAT32 = 1e-4  # the kit's: float32 sums differ in the last digits between builds of numpy
DEPTH = ("--pred_is", "depth", "--align", "none", "--crop", "none")


def evaluate_command(capsys: pytest.CaptureFixture, output: Path) -> Callable[..., tuple[Outcome, dict[str, Any]]]:
    """Runs it with its arguments; returns its outcome and the JSON that it wrote to `output`, {} where it failed."""

    def run(*args: object) -> tuple[Outcome, dict[str, Any]]:
        outcome = invoke(main, capsys, *args, "--output", output)
        return outcome, json.loads(output.read_text()) if outcome.code == 0 else {}

    return run
