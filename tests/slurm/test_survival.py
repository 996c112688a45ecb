"""One run against everything a cluster does to jobs."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from litemono.events import events_in

ENDLESS = 1000  # epochs: the test stops the run


def weights_of(run: Path, epoch: int) -> dict[str, torch.Tensor]:
    folder = run / "models" / f"weights_{epoch}"
    files = {name: torch.load(folder / f"{name}.pth", weights_only=True) for name in ("encoder", "depth")}
    return {f"{name}.{key}": value for name, state in files.items() for key, value in state.items()}


def epochs_done(run: Path) -> int:
    return len(list((run / "models").glob("weights_*")))


def logged_steps(run: Path) -> list[int]:
    """Steps in the training curve, as often as they are there."""
    events = events_in(run / "train")
    return [event.step for event in events for value in event.summary.value if value.tag == "loss"]


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").glob("step_*.pt"))


def test_a_run_through_three_time_limits_two_preemptions_and_a_dead_node_ends_as_if_nothing_had_happened(
    slurm, training, tmp_path, log_of
):
    """Bit-identical weights on the CPU, one training curve without gaps or repeats, one log."""
    calm = slurm.submit(*training("calm", ENDLESS), "--partition", "compute", "--gpus_per_node", 0, "--mem", "4G")
    job = slurm.submit(
        *training("hunted", ENDLESS, "--checkpoint_minutes", 0.02), "--partition", "gpu-preempt",
        "--mem", "4G", "--time", "00:02:00", "--warning_seconds", 60,
    )  # fmt: skip
    run, log = tmp_path / "runs/hunted", log_of("hunted", job)

    # Three time limits: Slurm warns about a minute before the end, the job saves and goes back into the queue.
    for limit in range(1, 4):
        slurm.wait_for(f"time limit {limit}", lambda n=limit: restarts(slurm, job) == n, log)
    slurm.wait_running(job)
    slurm.call("scontrol", "update", f"JobId={job}", "TimeLimit=60")

    # Preempted with the job's own signal, then with SIGTERM only.
    for kind in ("job-signal", "sigterm"):
        slurm.preemption(kind)
        step = slurm.wait_step(run, newest_step(run) + 3, log)
        before = restarts(slurm, job)
        first = slurm.sbatch("-p", "gpu", "-N", 2, "--gpus-per-node=4", "-t", 5, "--wrap", "sleep 1")
        slurm.wait_for(f"preemption by {kind}", lambda n=before: restarts(slurm, job) > n, log)
        assert newest_step(run) >= step, "the step at which the preemption came was not saved"
        slurm.wait_end(first)

    # Its node dies.
    slurm.wait_step(run, newest_step(run) + 3, log)
    node = slurm.call("squeue", "-h", "-j", job, "-o", "%N").stdout.strip()
    before = restarts(slurm, job)
    slurm.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    slurm.wait_for("requeue after the node's death", lambda: restarts(slurm, job) > before, log)
    slurm.call("scontrol", "update", f"NodeName={node}", "State=RESUME")
    step = slurm.wait_step(run, newest_step(run) + 3, log)

    # Enough: both runs are finished with the epoch after this one.
    epochs = epochs_done(run) + 1
    slurm.wait_for(
        f"epoch {epochs} of both runs", lambda: min(epochs_done(run), epochs_done(tmp_path / "runs/calm")) >= epochs
    )
    slurm.call("scancel", job, calm)
    assert slurm.wait_end(job) == "CANCELLED"

    mine, theirs = weights_of(run, epochs - 1), weights_of(tmp_path / "runs/calm", epochs - 1)
    assert mine.keys() == theirs.keys()
    different = [
        name for name, value in mine.items() if not torch.equal(torch.as_tensor(value), torch.as_tensor(theirs[name]))
    ]
    assert not different, f"{len(different)} of {len(mine)} tensors differ, first {different[0]}"

    steps = [step for step in logged_steps(run) if step <= 16 * epochs]
    assert steps == list(range(1, 16 * epochs + 1))
    assert log.read_text().count("resumed at step") >= 6
    assert len(list(log.parent.glob("*_log.out"))) == 1


def restarts(slurm, job: str) -> int:
    lines = slurm.call("scontrol", "show", "job", "-o", job).stdout
    return int(lines.split("Restarts=")[1].split()[0])


def newest_step(run: Path) -> int:
    """As status.json has it."""
    try:
        return json.loads((run / "status.json").read_text())["step"]
    except (FileNotFoundError, KeyError):
        return 0
