"""What the shell around `litemono.submit` may say to sbatch, and what must not reach the job.

A shell inside an interactive job (salloc, srun --pty) or inside another batch script has SLURM_* of that job. sbatch hands
them on, and srun in the new job reads them as its own flags: four tasks instead of one, two kinds of memory limits, the
number of another array's task. Before sbatch all of them can go; in a job that the user's own sbatch started,
slurm/environment.sh tells them from those of the job. SBATCH_* stand for sbatch's flags and come before the lines of the
batch script.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from litemono.jobs import slurm
from litemono.jobs.batch_script import SlurmConfig
from litemono.utils.errors import UserError

CLIENT = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_TIME_FORMAT"}
"""Of the commands themselves: where the controller is, and who asks."""
BESIDE_THE_FLAGS = {"SBATCH_CLUSTERS", "SBATCH_RESERVATION", "SBATCH_WCKEY"}
"""Of sbatch, and no flag of submit says the same."""
DEFAULTS = {
    "account": "SBATCH_ACCOUNT",
    "partition": "SBATCH_PARTITION",
    "qos": "SBATCH_QOS",
    "constraint": "SBATCH_CONSTRAINT",
}
ABOUT_NODES = re.compile(r"\bnodes?\b|resources", re.IGNORECASE)
"""Slurm's messages about what is free now."""


def with_defaults(settings: SlurmConfig) -> SlurmConfig:
    """The settings, with SBATCH_ACCOUNT and the like where a flag is not given."""
    given: dict[str, Any] = {
        name: os.environ.get(variable) for name, variable in DEFAULTS.items() if not getattr(settings, name)
    }
    return replace(settings, **{name: value for name, value in given.items() if value})


def check_one_cluster() -> None:
    """UserError where the shell names several clusters: their answers could not be told apart."""
    for name in ("SLURM_CLUSTERS", "SBATCH_CLUSTERS"):
        value = os.environ.get(name, "")
        if "," in value or value == "all":
            raise UserError(f"{name}={value} names several clusters; name the one to submit to: export {name}=CLUSTER")


TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_")
"""Beginnings of the variables by which a training takes itself for one of several processes."""


def leave_torchrun() -> None:
    """Forget the processes of a torchrun around this one: opening the data would wait for them, and jobs would inherit them.

    MASTER_ADDR alone stays: it is the user's choice for jobs of several processes.
    """
    if "RANK" in os.environ or "WORLD_SIZE" in os.environ:
        for name in [name for name in os.environ if name.startswith(TORCHRUN)]:
            del os.environ[name]


@contextlib.contextmanager
def clean_for_sbatch() -> Iterator[None]:
    """The environment without what other jobs left in it, for as long as the context is open."""
    ours = {
        name
        for name in os.environ
        if name.startswith(("SLURM_", "SLURMD_", "SBATCH_", "SRUN_")) and name not in CLIENT | BESIDE_THE_FLAGS
    }
    kept = {name: os.environ.pop(name) for name in ours}
    try:
        yield
    finally:
        os.environ.update(kept)


def check_with_sbatch(script: str, flags: str) -> None:
    """Ask sbatch whether it would take the batch script; flags: the value of --sbatch.

    UserError where it would not, with or without those flags. What sbatch says of nodes is a warning: --test-only asks for
    those that could start the job now, and a queue waits for them.
    """
    with clean_for_sbatch():
        try:
            slurm.call("sbatch", "--test-only", stdin=script)
        except slurm.ControllerUnavailable:
            if flags:
                raise
        except UserError as error:
            reason = str(error).partition("failed: ")[2].removeprefix("sbatch: error: ")
            if not flags and ABOUT_NODES.search(reason):
                print(f"warning: sbatch --test-only: {reason}; the job may wait for long", file=sys.stderr)
                return
            where = "look at --sbatch" if flags else "ask the cluster's help desk, or change the flags of submit"
            raise UserError(f"sbatch refuses this job ({reason}); {where}") from None
