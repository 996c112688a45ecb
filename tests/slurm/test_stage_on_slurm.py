"""--stage on two nodes: jobs on one node share a copy, and a job that moves copies anew and computes the same bits."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
import torch

from slurm.conftest import read_status
from slurm.test_bad_nodes import submit_to
from slurm.test_survival import epochs_done, restarts, weights_of

EPOCHS = 1000  # never reached: the test stops the runs


@pytest.fixture
def pack(slurm, world, tmp_path) -> Path:
    flags = ["--from", world, "--split", world / "street", "--size", "64x32", "--num_workers", 1]
    slurm.python("litemono.prepare", "pack", *flags, "--output", tmp_path / "pack")
    return tmp_path / "pack"


def files_read(run: Path) -> set[str]:
    """Files of frames that the training process has open; the nodes of the test cluster are this machine."""
    found = set()
    with contextlib.suppress(FileNotFoundError):  # it has ended, or closes a file
        found = {os.readlink(link) for link in Path(f"/proc/{read_status(run)['pid']}/fd").iterdir()}
    return {name for name in found if name.endswith(".bin")}


def test_two_jobs_on_a_node_share_a_copy_and_one_that_moves_copies_anew_and_ends_with_the_same_bits(
    slurm, training, world, pack, tmp_path, log_of
):
    disks, runs = tmp_path / "disks", tmp_path / "runs"
    setup = f'export SLURM_TMPDIR="{disks}/$SLURMD_NODENAME"; mkdir -p "$SLURM_TMPDIR"'
    jobs, packed = {}, len([*pack.rglob("*.bin")])
    for name in ("stays", "moves"):
        flags = [str(pack) if flag == str(world) else flag for flag in training(name, EPOCHS) if flag != "--png"]
        staged = ["--split", world / "street", "--checkpoint_minutes", 0.02, "--stage", "auto", "--setup", setup]
        jobs[name] = submit_to(slurm, "gpu001", *flags, *staged)
    logs = {name: log_of(name, job) for name, job in jobs.items()}

    def reads_from(name: str, node: str) -> bool:
        """Every file also from the copy on that node's disk; what was opened before is kept open."""
        files = files_read(runs / name) if read_status(runs / name).get("state") == "running" else set()
        return len({file for file in files if file.startswith(f"{disks}/{node}/")}) == packed

    for name, log in logs.items():
        slurm.wait_for(f"{name} on the copy", lambda n=name: reads_from(n, "gpu001"), log)
    assert len([*(disks / "gpu001").rglob("*.bin")]) == packed, "two jobs, one copy"

    slurm.call("scontrol", "update", "NodeName=gpu001", "State=DRAIN", "Reason=test")
    try:
        slurm.call("scontrol", "requeue", jobs["moves"])
        slurm.wait_for("requeue", lambda: restarts(slurm, jobs["moves"]) > 0, logs["moves"])
        slurm.wait_for("the copy on the other node", lambda: reads_from("moves", "gpu002"), logs["moves"])
    finally:
        slurm.bring_back("gpu001")
    assert reads_from("stays", "gpu001"), "the one that left took nothing away"

    epochs = epochs_done(runs / "moves") + 1
    slurm.wait_for(f"epoch {epochs} of both", lambda: min(epochs_done(runs / name) for name in jobs) >= epochs)
    slurm.call("scancel", *jobs.values())
    for job in jobs.values():
        slurm.wait_end(job)
    stayed, moved = (weights_of(runs / name, epochs - 1) for name in jobs)
    assert stayed.keys() == moved.keys() and read_status(runs / "moves")["restarts"] == 1
    different = [name for name in stayed if not torch.equal(*map(torch.as_tensor, (stayed[name], moved[name])))]
    assert not different, f"{len(different)} of {len(stayed)} tensors differ, first {different[0]}"
    assert not [*disks.rglob("*.bin")], "the last on each node has removed the copy"


def test_a_node_without_the_folder_ends_the_job_with_the_reason_and_no_run_folder(
    slurm, training, world, pack, tmp_path, log_of
):
    flags = [str(pack) if flag == str(world) else flag for flag in training("lost", 1) if flag != "--png"]
    flags += ["--split", world / "street", "--stage", tmp_path / "nowhere", "--partition", "gpu", "--mem", "4G"]
    job = slurm.submit(*flags)
    assert slurm.wait_end(job) == "FAILED" and slurm.exit_code(job) == "2:0" and slurm.starts(job) == ["FAILED"]
    text = log_of("lost", job).read_text()
    assert "nowhere: no such folder on this node" in text and "Traceback" not in text
    assert not (tmp_path / "runs/lost/config.json").exists()
