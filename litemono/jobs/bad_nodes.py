"""Nodes that a job is to avoid: put on its exclude list when it is requeued, taken off again by `status --forget_bad_nodes`.

A node is avoided when a process finds its cards broken (engine/node_health.py), when srun cannot start the training there, and
after two failures without progress. Which, why and since when is in bad_nodes.jsonl of the run folder. Nodes that the user
excluded stay excluded. A list that leaves no node is not set.
"""

from __future__ import annotations

from pathlib import Path

from litemono.engine import node_health
from litemono.jobs import slurm

FAILURES = 2


def avoid(task: str, job: dict[str, str], folder: Path, job_id: str) -> str:
    """Bring the exclude list of a job that waits up to date. Returns what changed, for the log.

    task: the job's name for scontrol; job: its record while it ran. Raises UserError.
    """
    reasons = node_health.reported(folder, job_id)
    if not reasons:
        return ""
    bad = {node for node, reason in reasons.items() if reason}
    before = set(slurm.hostnames(job.get("ExcNodeList", "")))
    after = before - reasons.keys() | bad
    if after == before:
        return ""
    added = sorted(after - before)
    if added and not enough_left(job, after):
        return f"{', '.join(added)}: no other node could run this job, so the next start may be there again"
    slurm.exclude(task, after)
    if not added:
        return f"the job avoids only {', '.join(sorted(after))}" if after else "the job avoids no node any more"
    why = "; ".join(f"{node}: {reasons[node]}" for node in added)
    return (
        f"the job avoids {', '.join(added)} from now on ({why}); `litemono status --forget_bad_nodes` takes that back"
    )


def enough_left(job: dict[str, str], excluded: set[str]) -> bool:
    """Whether nodes like the job's are left beside the excluded ones, and it may choose."""
    if job.get("ReqNodeList", "(null)") != "(null)":
        return False
    mine, partition = slurm.hostnames(job.get("NodeList", "")), job.get("Partition", "")
    like = {other for node in mine for other in slurm.nodes_like(node, partition)} | set(mine)
    return len(like - excluded) >= max(1, len(mine))


def forget(folder: Path, job_id: str) -> list[str]:
    """Let a job use all nodes again, at once where it waits, else from its next start. Returns the nodes."""
    nodes = sorted(node for node, reason in node_health.reported(folder, job_id).items() if reason)
    for node in nodes:
        node_health.report(folder, job_id, node, "")
    if nodes and slurm.available():
        job = slurm.job_now(job_id)
        if job.get("JobState") == "PENDING":
            avoid(job_id, job, folder, job_id)
    return nodes
