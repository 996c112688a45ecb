"""One run against everything a cluster does to jobs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import torch
from conftest import ROOT

from litemono.engine.tensorboard import events_in
from slurm.conftest import read_status

HOG = Path(__file__).with_name("hog")
EPOCHS = 1000  # never reached: the test stops the run


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
    calm = slurm.submit(*training("calm", EPOCHS), "--partition", "compute", "--gpus_per_node", 0, "--mem", "4G")
    job = slurm.submit(
        *training("hunted", EPOCHS, "--checkpoint_minutes", 0.02), "--partition", "gpu-preempt",
        "--mem", "4G", "--warning_seconds", 60,
    )  # fmt: skip
    run, log = tmp_path / "runs/hunted", log_of("hunted", job)

    # Three time limits: Slurm sends the warning, the job writes a checkpoint and is requeued.
    for limit in range(1, 4):
        step = slurm.wait_step(run, newest_step(run) + 3, log)
        before = restarts(slurm, job)
        slurm.call("scontrol", "update", f"JobId={job}", "TimeLimit=1")  # the warning comes at Slurm's next check
        slurm.wait_for(f"time limit {limit}", lambda n=before: restarts(slurm, job) > n, log)
        slurm.call("scontrol", "update", f"JobId={job}", "TimeLimit=60")
        assert newest_step(run) >= step, "the step at which the warning came was not saved"
    assert log.read_text().count("USR2: saved at step") >= 3

    # Preempted with the job's own signal, then with SIGTERM only.
    for kind in ("job-signal", "sigterm"):
        slurm.preemption(kind)
        step = slurm.wait_step(run, newest_step(run) + 3, log)
        before = restarts(slurm, job)
        first = slurm.sbatch("-p", "gpu", "-N", 2, "--gpus-per-node=4", "-t", 5, "-o", "/dev/null", "--wrap", "sleep 1")
        slurm.wait_for(f"preemption by {kind}", lambda n=before: restarts(slurm, job) > n, log)
        assert newest_step(run) >= step, "the step at which the preemption came was not saved"
        slurm.wait_end(first)

    # Its node dies.
    slurm.wait_step(run, newest_step(run) + 3, log)
    node = slurm.call("squeue", "-h", "-j", job, "-o", "%N").stdout.strip()
    before = restarts(slurm, job)
    slurm.call("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    slurm.wait_for("requeue after the node's death", lambda: restarts(slurm, job) > before, log)
    step = slurm.wait_step(run, newest_step(run) + 3, log)
    slurm.bring_back(node)  # only now: its slurmd never died, and would take the job twice

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


def test_a_run_goes_on_from_its_last_checkpoint_after_requeue_out_of_memory_and_kill(slurm, training, tmp_path, log_of):
    run, hog = tmp_path / "runs/killed", tmp_path / "hog"
    slurm.environment |= {"PYTHONPATH": f"{HOG}:{ROOT}", "LITEMONO_TEST_HOG": str(hog)}
    try:
        job = slurm.submit(
            *training("killed", EPOCHS, "--checkpoint_minutes", 0.01), "--partition", "gpu", "--mem", "2G"
        )
    finally:
        slurm.environment["PYTHONPATH"] = str(ROOT)
        del slurm.environment["LITEMONO_TEST_HOG"]
    log = log_of("killed", job)

    def strike(what: str, blow) -> None:
        slurm.wait_for("a checkpoint", lambda: checkpoints(run), log)
        slurm.wait_step(run, newest_step(run) + 3, log)
        saved, before = int(checkpoints(run)[-1][5:13]), restarts(slurm, job)
        blow()
        slurm.wait_for(f"requeue after {what}", lambda: restarts(slurm, job) > before, log)
        slurm.wait_for(f"start after {what}", lambda: log.read_text().count("resumed at step") > before, log)
        resumed = int(log.read_text().rsplit("resumed at step ", 1)[1].split()[0])
        assert resumed >= saved, f"{what}: resumed at step {resumed}, though step {saved} was saved"

    strike("scontrol requeue", lambda: slurm.call("scontrol", "requeue", job))
    strike("kill -9", lambda: os.kill(read_status(run)["pid"], signal.SIGKILL))
    strike("running out of memory", hog.touch)
    step = slurm.wait_step(run, newest_step(run) + 3, log)

    # scancel is respected, and saves what there is.
    slurm.call("scancel", job)
    assert slurm.wait_end(job) == "CANCELLED"
    assert int(checkpoints(run)[-1][5:13]) >= step
    # The same command resumes and finishes; a finished run is not requeued.
    epochs = int(checkpoints(run)[-1][5:13]) // 16 + 1
    again = slurm.submit(*training("killed", epochs), "--partition", "gpu", "--mem", "2G")
    assert slurm.wait_end(again, log_of("killed", again)) == "COMPLETED"
    assert slurm.starts(again) == ["COMPLETED"] and read_status(run)["state"] == "finished"
    assert logged_steps(run) == list(range(1, 16 * epochs + 1))


def test_a_run_that_cannot_get_any_further_stops_after_three_tries_and_says_why(slurm, training, tmp_path, log_of):
    """Out of memory as soon as it starts."""
    job = slurm.submit(*training("fat", 1), "--partition", "gpu", "--mem", "100M")
    assert slurm.wait_end(job, log_of("fat", job)) == "FAILED"
    assert slurm.exit_code(job) in ("9:0", "137:0")  # 128 + 9; sacct leaves the 128 out
    assert slurm.starts(job) == ["REQUEUED", "REQUEUED", "FAILED"]
    last = log_of("fat", job).read_text().strip().splitlines()[-1]
    assert "stopped: 3 tries in a row ended at step 0 (killed, usually for using more memory than --mem allows)" in last
