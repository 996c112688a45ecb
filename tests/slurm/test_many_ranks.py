"""Several processes on several nodes (gloo): the same samples as one, and back to one."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

from conftest import ROOT

from slurm.conftest import read_status
from slurm.test_survival import checkpoints, logged_steps
from slurm.test_templates import checkout  # noqa: F401 - a fixture

RECORDER = Path(__file__).with_name("recorder")
STEPS = 4  # of an epoch: 32 samples / (4 ranks x 2)


def samples_by_epoch(folder: Path) -> dict[int, Counter]:
    """What the recorder has written: lines "epoch index", one file for each process."""
    epochs: dict[int, Counter] = {}
    for path in folder.glob("rank_*"):
        for line in path.read_text().splitlines():
            epoch, index = map(int, line.split())
            epochs.setdefault(epoch, Counter())[index] += 1
    return epochs


def test_four_processes_see_each_sample_once_an_epoch_and_one_process_goes_on(
    slurm,
    training,
    checkout,  # noqa: F811
    tmp_path,
):
    records = tmp_path / "samples"
    records.mkdir()
    ranks = (
        "--nodes=2",
        "--ntasks-per-node=2",
        "--gpus-per-node=2",
        "--cpus-per-task=1",
        "--mem=6G",
        "--job-name=many",
    )
    slurm.environment |= {"PYTHONPATH": f"{RECORDER}:{ROOT}", "LITEMONO_TEST_SAMPLES": str(records)}
    try:
        job = slurm.sbatch(*ranks, "slurm/train_v100_multi.sh", *training(None, 2), cwd=checkout)
        assert slurm.wait_end(job) == "COMPLETED", (checkout / f"logs/many-{job}.out").read_text()
    finally:
        slurm.environment["PYTHONPATH"] = str(ROOT)
        del slurm.environment["LITEMONO_TEST_SAMPLES"]
    assert slurm.starts(job) == ["COMPLETED"], "a process did not end by itself"
    assert len(list(records.glob("rank_*"))) == 4
    epochs = samples_by_epoch(records)
    assert epochs == {epoch: Counter(range(32)) for epoch in (0, 1)}, "not every sample exactly once in each epoch"
    run = tmp_path / "runs/many"
    assert read_status(run)["step"] == 2 * STEPS and logged_steps(run) == list(range(1, 2 * STEPS + 1))

    # One process takes over: an epoch has 16 steps now.
    alone = slurm.sbatch(
        "--job-name=many", "--cpus-per-task=1", "--mem=4G", "slurm/train_v100.sh", *training(None, 3), cwd=checkout
    )
    assert slurm.wait_end(alone) == "COMPLETED", (checkout / f"logs/many-{alone}.out").read_text()
    assert f"resumed at step {2 * STEPS} (epoch 3)" in (checkout / f"logs/many-{alone}.out").read_text()
    assert read_status(run)["step"] == 2 * STEPS + 16


def test_submit_starts_a_process_for_each_gpu_and_goes_on_after_a_warning_and_the_death_of_one(
    slurm, training, tmp_path, log_of
):
    job = slurm.submit(
        *training("pair", 1000, "--checkpoint_minutes", 0.01), "--partition", "gpu", "--gpus_per_node", 2,
        "--cpus_per_task", 1, "--mem", "6G",
    )  # fmt: skip
    run, log = tmp_path / "runs/pair", log_of("pair", job)

    def wait_start(number: int, after: str) -> None:
        slurm.wait_for(f"start after {after}", lambda: log.read_text().count("resumed at step") >= number, log)
        slurm.wait_step(run, read_status(run)["step"] + 2, log)

    slurm.wait_step(run, 3, log)
    slurm.wait_for("a checkpoint", lambda: checkpoints(run), log)
    assert "batch 4," in log.read_text(), "two processes with two samples each"
    slurm.call("scancel", "--signal=USR2", job)  # as the time limit's warning does
    wait_start(1, "the warning")
    os.kill(process_of(job, rank=1), signal.SIGKILL)
    wait_start(2, "the death of a process")


def process_of(job: str, rank: int) -> int:
    """The training process of a rank: nodes share this machine's processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if (
            b"submitit.core._submit" in command
            and {f"SLURM_JOB_ID={job}".encode(), f"SLURM_PROCID={rank}".encode()} <= set(environment)
            and not command.startswith(b"srun")
        ):
            return int(folder.name)
    raise AssertionError(f"job {job} has no process {rank}")
