"""What every record in benchmarks/results holds: the command, the machine, then what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from litemono.utils.atomic_files import write_json
from litemono.utils.commit import typed_command


def record(machine: Mapping[str, object], measured: Mapping[str, Any]) -> dict[str, Any]:
    """machine: of machine.machine(device), with what else matters, such as versions of libraries."""
    return {"command": typed_command(), "machine": dict(machine), **measured}


def write_record(path: Path | None, machine: Mapping[str, object], measured: Mapping[str, Any]) -> None:
    """Write a record to the file of --json; nothing where that was not given."""
    if path is not None:
        write_json(path, record(machine, measured))
