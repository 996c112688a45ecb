"""Flags that `submit` hands through: --sbatch "reservation=r exclude=n1,n2" --srun "cpu-bind=cores"."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from litemono.utils.errors import UserError

OWN = {
    **{name: name for name in ("partition", "nodes", "mem", "time", "account", "qos", "constraint", "setup")},
    **{"gpus-per-node": "gpus_per_node", "cpus-per-task": "cpus_per_task", "signal": "warning_seconds", "wait": "wait"},
    **{"job-name": "model_name", "gpus": "gpus_per_node", "gres": "gpus_per_node", "ntasks": "gpus_per_node"},
    **{"ntasks-per-node": "gpus_per_node", "array": "sweep"},
}
"""Flags of sbatch that submit sets, and by which flag of its own."""
FIXED = {
    "output": "the log is in the run folder",
    "error": "the log is in the run folder",
    "no-requeue": "jobs requeue",
}
FIXED |= {
    "wrap": "submit writes the script",
    "test-only": "use --dry_run",
    "parsable": "submit prints the job's number",
}


def pairs(text: str, flag: str) -> dict[str, str | bool]:
    """Names and values of "exclude=n1,n2 exclusive"; dashes before a name may be there. UserError for anything else."""
    found: dict[str, str | bool] = {}
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--{flag} {text!r}: {error}; quote values with spaces as the shell does") from None
    for part in parts:
        name, equals, value = part.removeprefix("--").partition("=")
        if not re.fullmatch(r"[a-z][a-z0-9-]+", name) or equals and not value or not value.isprintable():
            raise UserError(f"--{flag}: {part!r} is no long flag of {flag}; write NAME=VALUE, like exclude=n1,n2")
        found[name] = value if equals else True
    return found


def sbatch_flags(text: str) -> dict[str, str | bool]:
    """--sbatch as lines of the batch script. UserError for flags that submit sets itself."""
    found = pairs(text, "sbatch")
    for name in found:
        if name in OWN:
            raise UserError(f"--sbatch {name}: submit sets it; use --{OWN[name]}")
        if name in FIXED:
            raise UserError(f"--sbatch {name}: {FIXED[name]}; leave it out")
    return found


def srun_flags(text: str) -> list[str]:
    """--srun as arguments of srun."""
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in pairs(text, "srun").items()]


def join_values(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments in which --srun "--cpu-bind=cores" is one, or its value would be read as another flag."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in ("--srun", "--sbatch"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
