"""Whether a job's cards can be trained on, asked before training starts: a node with a broken card ends every job that it gets.

nvidia-smi is asked for the job's cards. A node is bad where nvidia-smi does not answer, says that a card is lost or needs a
reset (what Xid errors leave behind), or counts memory errors that were not corrected. bad_nodes.jsonl in the run folder gets
a line, and the training ends with exit status 5 (cli.BAD_NODE); jobs/requeue.py keeps the job away from that node.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from litemono.utils.atomic_files import read_json_lines
from litemono.utils.errors import BadNode
from litemono.utils.typed_json import well_typed

FILE = "bad_nodes.jsonl"
SECONDS = 60.0  # in which nvidia-smi must answer; a card that fell off the bus can block it
BROKEN = re.compile(r"ERR!|\[?(GPU is lost|GPU requires reset|Unknown Error)|Unable to determine the device handle")
PROBLEMS = {
    "ecc.errors.uncorrected.volatile.total": "{} memory errors that were not corrected",
    "retired_pages.pending": "memory pages that wait to be retired",
    "remapped_rows.pending": "memory rows that wait to be remapped",
    "remapped_rows.failure": "memory rows that could not be remapped",
}
"""Fields of nvidia-smi --query-gpu, and what a value other than these means."""
GOOD = {"0", "no", "[n/a]", "n/a", "[not supported]"}


def node_name() -> str:
    return os.environ.get("SLURMD_NODENAME", socket.gethostname())


def check_node() -> str:
    """What was found, for the log; "" outside a job with GPUs, and for all processes of a node but the first.

    Raises BadNode.
    """
    cards = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    in_job = "SLURM_JOB_ID" in os.environ and cards not in ("", "NoDevFiles")
    if not in_job or os.environ.get("LOCAL_RANK", "0") != "0":
        return ""
    if shutil.which("nvidia-smi") is None:
        return f"{node_name()}: the cards were not checked, because there is no nvidia-smi"
    names = query(cards, "name")
    if names is None:
        return f"{node_name()}: the cards were not checked, because nvidia-smi has no field name"
    for field, meaning in PROBLEMS.items():
        for name, value in zip(names, query(cards, field) or [], strict=False):
            if value.lower() not in GOOD:
                raise BadNode(f"{node_name()}: {name} has {meaning.format(value)} (nvidia-smi {field}: {value})")
    return f"{node_name()}: nvidia-smi finds no fault with {', '.join(names)}"


def query(cards: str, field: str) -> list[str] | None:
    """A field of each card; None where this nvidia-smi does not have it. Raises BadNode."""
    command = ["nvidia-smi", f"--id={cards}", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise BadNode(f"{node_name()}: nvidia-smi does not answer for {SECONDS:.0f} s") from None
    said = (done.stdout + done.stderr).strip()
    if "is not a valid field" in said:
        return None
    if done.returncode or BROKEN.search(said):
        lines = said.splitlines() or [f"exit status {done.returncode}"]
        worst = next((line for line in lines if BROKEN.search(line)), lines[0])
        raise BadNode(f"{node_name()}: nvidia-smi: {worst[:200]}")
    return [line.strip() for line in done.stdout.splitlines()]


def report(run: Path, job_id: str | None, node: str, reason: str) -> None:
    """Add a line to the run folder: the job is to avoid the node; with no reason, not any more."""
    run.mkdir(parents=True, exist_ok=True)
    line = {"node": node, "reason": reason, "job_id": job_id, "time": time.time()}
    with open(run / FILE, "a") as file:
        file.write(json.dumps(line) + "\n")


def reported(run: Path, job_id: str) -> dict[str, str]:
    """Nodes that the job is to avoid, with the reasons; "" where that was taken back."""
    types = {"node": str, "reason": str, "job_id": str}
    lines = (well_typed(line, types, longest=300) for line in read_json_lines(run / FILE))
    return {line["node"]: line["reason"] for line in lines if len(line) == len(types) and line["job_id"] == job_id}
