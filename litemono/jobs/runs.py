"""What runs are doing: from their folders and, where there is one, from Slurm's queue. For litemono.status."""

from __future__ import annotations

import math
import os
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

from litemono.engine import node_health
from litemono.jobs import bad_nodes, slurm
from litemono.jobs.slurm import JobState
from litemono.utils import cli
from litemono.utils.atomic_files import read_json
from litemono.utils.errors import UserError
from litemono.utils.formatting import duration
from litemono.utils.typed_json import well_typed

PLACES = ("status.json", "*/status.json", "*/*/status.json", "job.json", "*/job.json", "*/*/job.json")
HEARTBEAT = {
    **dict.fromkeys(("state", "host", "node", "job_id"), str),
    **dict.fromkeys(("step", "total_steps", "steps_per_epoch", "epoch", "restarts", "pid", "exit"), int),
    **dict.fromkeys(("updated", "eta_seconds", "images_per_second", "data_wait", "loss"), float),
}
NOTE = {"submitted": float, "job_id": str}
ENDED = ("finished", "stopped early", "failed")
"""States of a run that takes no further step."""
SILENT_SECONDS = 300  # without a heartbeat
# State of a run whose job ended before it could write its own.
AFTERWARDS = {
    "COMPLETED": "stopped",
    "CANCELLED": "cancelled",
    "TIMEOUT": "timed out",
    "OUT_OF_MEMORY": "out of memory",
}


class Run(NamedTuple):
    """One run, as litemono.status shows it."""

    name: str
    state: str
    job: str
    node: str
    restarts: int
    progress: str
    speed: str
    data_wait: str
    loss: str
    abs_rel: float | None
    eta: str
    fits: str
    avoids: str
    """Nodes that its job does not start on any more (bad_nodes.py)."""
    message: str


def read_runs(log_dir: Path) -> list[Run]:
    """Every run below `log_dir`, by name; asks Slurm once for all of them."""
    notes = notes_of(log_dir)
    queue, past = {}, {}
    if slurm.available():
        try:
            queue = slurm.queue()
        except UserError:
            queue = {}
        gone = {job for pair in notes.values() for job in job_ids(*pair) if job not in queue}
        past = slurm.history(sorted(gone))
    return [describe(folder, log_dir, *pair, queue, past, time.time()) for folder, pair in notes.items()]


def notes_of(log_dir: Path) -> dict[Path, tuple[dict[str, Any], dict[str, Any]]]:
    """The run folders below `log_dir` with what status.json and job.json say. UserError where there is none."""
    folders = find_folders(log_dir)
    return {folder: (read_heartbeat(folder), well_typed(read_json(folder / "job.json"), NOTE)) for folder in folders}


def forget_bad_nodes(log_dir: Path) -> list[str]:
    """Let the jobs of all runs below `log_dir` use all nodes again; one line for each."""
    lines = []
    for folder, pair in notes_of(log_dir).items():
        nodes = sorted({node for job in job_ids(*pair) for node in bad_nodes.forget(folder, job)})
        lines += [f"{folder}: {', '.join(nodes)} may be used again"] if nodes else []
    return lines


def find_folders(log_dir: Path) -> list[Path]:
    """The folder of every run below `log_dir`, or itself. UserError where there is none."""
    folders = sorted({path.parent for place in PLACES for path in log_dir.glob(place)})
    folders = [folder for folder in folders if folder.name != "preflight"]
    if not folders:
        raise UserError(f"--log_dir {log_dir}: there is no run in this folder; give --log_dir of training")
    return folders


def run_name(folder: Path, log_dir: Path) -> str:
    """On one line, whatever letters the folder's name has."""
    name = str(folder.relative_to(log_dir)) if folder != log_dir else folder.name
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def read_heartbeat(folder: Path) -> dict[str, Any]:
    """What status.json says, as far as it has the right types."""
    content = read_json(folder / "status.json")
    best = content.get("best")
    best = well_typed(best, dict.fromkeys(best, float)) if isinstance(best, dict) else {}
    return well_typed(content, HEARTBEAT) | well_typed(content, {"message": str}, longest=1000) | {"best": best}


def job_ids(heartbeat: dict[str, Any], note: dict[str, Any]) -> list[str]:
    """Jobs of a run, the latest first: the one that was submitted last, the one that trained last."""
    jobs = [(note.get("submitted", 0), note.get("job_id")), (heartbeat.get("updated", 0), heartbeat.get("job_id"))]
    return [str(job) for _, job in sorted(jobs, key=lambda pair: -pair[0]) if job]


def describe(
    folder: Path,
    log_dir: Path,
    heartbeat: dict[str, Any],
    note: dict[str, Any],
    queue: dict[str, JobState],
    past: dict[str, JobState],
    now: float,
) -> Run:
    ids = job_ids(heartbeat, note)
    job = next((queue[i] for i in ids if i in queue), None)
    ended = next((past[i] for i in ids if i in past and past[i].state in slurm.ENDED), None)
    latest = job or ended
    state = state_of(heartbeat, job, ended, now)
    alive = state in ("running", "starting")
    silent = state.startswith("silent")
    eta = heartbeat.get("eta_seconds") if state not in (*ENDED, "hung") and not silent else None
    if eta is not None and state == "running":
        eta = max(0, eta - (now - heartbeat.get("updated", now)))
    step, total, per_epoch = (heartbeat.get(key) for key in ("step", "total_steps", "steps_per_epoch"))
    progress = "" if step is None else f"{step}/{total}"
    if per_epoch and "epoch" in heartbeat:
        progress = f"{heartbeat['epoch'] + 1}: {progress}"
    message = (heartbeat.get("message") or "") if state in ("failed", "hung", "interrupted", "stopped early") else ""
    if job and job.state == "PENDING":
        message = job.reason
    return Run(
        name=run_name(folder, log_dir),
        state=state,
        job=latest.job_id if latest else ids[0] if ids else "",
        node=(job.node if job else heartbeat.get("node", "") if alive else "") or "",
        restarts=heartbeat.get("restarts", 0),
        progress=progress,
        speed=f"{heartbeat['images_per_second']:.1f}" if alive and "images_per_second" in heartbeat else "",
        data_wait=f"{heartbeat['data_wait']:.0%}" if alive and "data_wait" in heartbeat else "",
        loss=f"{heartbeat['loss']:.4f}" if heartbeat.get("loss") is not None else "",
        abs_rel=best_abs_rel(folder, heartbeat),
        eta=duration(eta) if eta is not None else "",
        fits=fits(eta, job) if state == "running" else "",
        avoids=",".join(sorted({node for i in ids for node, why in node_health.reported(folder, i).items() if why})),
        message=message,
    )


def state_of(heartbeat: dict[str, Any], job: JobState | None, ended: JobState | None, now: float) -> str:
    """State of a run in one word: Slurm has its process, the run folder its progress."""
    own = heartbeat.get("state", "")
    if job is not None:
        if job.state == "PENDING":
            return "queued"
        return own if own in ("finished", "stopped early") else in_job(own, heartbeat, job, now)
    if own in (*ENDED, "interrupted"):
        return "hung" if heartbeat.get("exit") == cli.HUNG else own
    if not own:
        return AFTERWARDS.get(ended.state, "failed") if ended else "queued"
    if ended is not None:
        return AFTERWARDS.get(ended.state, "failed")
    if heartbeat.get("host") == socket.gethostname() and not process_lives(heartbeat.get("pid", 0)):
        return "killed"
    return in_time(own, now - heartbeat.get("updated", 0))


def in_job(own: str, heartbeat: dict[str, Any], job: JobState, now: float) -> str:
    """State of a run whose job is on a node. A heartbeat from before the job began is of an earlier start."""
    silent = now - heartbeat.get("updated", 0)
    if job.minutes_left is not None and job.limit and 0 <= (began := 60 * (job.limit - job.minutes_left)) < silent:
        return in_time("starting", began)
    return in_time("running" if own == "running" else "starting", silent)


def in_time(state: str, silent: float) -> str:
    """The state, or for how many seconds nothing was heard of the run."""
    return state if silent < SILENT_SECONDS else f"silent for {duration(silent)}"


def process_lives(pid: int) -> bool:
    if not 0 < pid < 2**31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def best_abs_rel(folder: Path, heartbeat: dict[str, Any]) -> float | None:
    """The lowest on Eigen's test images if evaluate was asked for it, else the lowest of the run's own validation."""
    metrics = [read_json(path).get("metrics") for path in folder.glob("models/*/eval_eigen.json")]
    judged = [well_typed(found, {"abs_rel": float}) for found in metrics if isinstance(found, dict)]
    found = [value["abs_rel"] for value in judged if value]
    if found:
        return min(found)
    return next((value for name, value in heartbeat["best"].items() if name.split("/")[-1] == "abs_rel"), None)


def fits(eta: float | None, job: JobState | None) -> str:
    """Whether the run ends within this job's time limit, or how many more jobs it takes."""
    if eta is None or job is None or job.minutes_left is None:
        return ""
    beyond = eta / 60 - job.minutes_left
    if beyond <= 0:
        return "yes"
    return f"{math.ceil(beyond / job.limit)} more" if job.limit else "no"
