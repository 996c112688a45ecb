"""Slurm, its partitions with GPUs, and whether torch has code for them."""

from __future__ import annotations

from collections.abc import Iterator

from litemono.diagnosis.finding import Finding
from litemono.diagnosis.gpu import wheel_problem
from litemono.jobs import cluster, slurm
from litemono.utils.errors import UserError


def check_slurm() -> Iterator[Finding]:
    if not slurm.available():
        yield Finding(None, "slurm", "not on this machine; training works without it")
        return
    try:
        offer = cluster.read_cluster()
    except UserError as error:
        yield Finding(False, "slurm", str(error))
        return
    gpus = offer.with_gpus
    yield Finding(bool(gpus), "slurm", f"partitions with GPUs: {'; '.join(map(str, gpus)) or 'none'}")
    kinds = {kind for partition in gpus for node in partition.nodes for kind in node.gpus}
    problem = wheel_problem(kinds) if kinds else None
    yield Finding(not problem, "slurm", problem or "torch has code for the GPUs of all partitions")
    try:
        slurm.call("sacct", "-X", "-n", "-o", "JobID")
        yield Finding(True, "sacct", "answers: litemono status shows how past jobs ended")
    except UserError as error:
        yield Finding(False, "sacct", f"{error}; jobs run all the same, but status cannot tell how they ended")
