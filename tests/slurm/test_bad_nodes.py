"""Nodes that fail are avoided: with a fake nvidia-smi, and by failures."""

from __future__ import annotations

import os
import signal

import pytest

from slurm.conftest import read_status

FAKE = """#!/bin/bash
# gpu001 has a card with memory errors.
case "$*" in
  *--query-gpu=name*) echo "Tesla V100";;
  *uncorrected*) [ "$SLURMD_NODENAME" = gpu001 ] && echo 7 || echo 0;;
  *) echo "Field \\"x\\" is not a valid field to query."; exit 2;;
esac
"""


@pytest.fixture
def fake_smi(slurm, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nvidia-smi").write_text(FAKE)
    (tmp_path / "bin/nvidia-smi").chmod(0o755)
    monkeypatch.setitem(slurm.environment, "PATH", f"{tmp_path}/bin:{slurm.environment['PATH']}")


def exclusions(slurm, job: str) -> str:
    return slurm.call("scontrol", "show", "job", "-o", job).stdout.split("ExcNodeList=")[1].split()[0]


def submit_to(slurm, node: str, *flags: str) -> str:
    """Submitted while only `node` takes jobs."""
    (other,) = {"gpu001", "gpu002"} - {node}
    slurm.call("scontrol", "update", f"NodeName={other}", "State=DRAIN", "Reason=test")
    try:
        job = slurm.submit(*flags, "--partition", "gpu", "--mem", "4G")
        slurm.wait_running(job)
    finally:
        slurm.bring_back(other)
    return job


def test_a_job_leaves_a_node_with_a_broken_card_and_one_that_failed_and_status_takes_it_back(
    slurm, training, tmp_path, log_of, fake_smi
):
    job = submit_to(slurm, "gpu001", *training("moved", 1000, "--checkpoint_minutes", 0))
    run, log = tmp_path / "runs/moved", log_of("moved", job)
    slurm.wait_step(run, 2, log)
    assert read_status(run)["node"] == "gpu002" and exclusions(slurm, job) == "gpu001"
    text = log.read_text()
    assert "gpu001: Tesla V100 has 7 memory errors that were not corrected" in text
    assert "the job avoids gpu001 from now on" in text and "gpu002: nvidia-smi finds no fault with Tesla V100" in text
    table = slurm.here("litemono.status", "--log_dir", tmp_path / "runs").stdout
    assert "avoids" in table and "gpu001" in table
    taken_back = slurm.here("litemono.status", "--log_dir", tmp_path / "runs", "--forget_bad_nodes").stdout
    assert "gpu001 may be used again" in taken_back
    os.kill(read_status(run)["pid"], signal.SIGKILL)
    slurm.wait_for("the list without the node", lambda: exclusions(slurm, job) == "(null)", log)


def test_two_failures_without_progress_move_the_job(slurm, training, tmp_path, log_of):
    slurm.call("scontrol", "update", "NodeName=gpu001", "State=DRAIN", "Reason=test")
    try:
        # images so large that the test acts within the first epoch: its end would be progress
        slow = training("fails", 1000, "--checkpoint_minutes", 1000, "--height", 128, "--width", 416)
        job = slurm.submit(*slow, "--partition", "gpu", "--mem", "6G")
        run, log = tmp_path / "runs/fails", log_of("fails", job)
        slurm.wait_step(run, 1, log)
        first = read_status(run)["pid"]
        os.kill(first, signal.SIGKILL)
        slurm.wait_for("the second start", lambda: read_status(run)["pid"] != first, log)
    finally:
        slurm.bring_back("gpu001")
    slurm.wait_step(run, 1, log)
    assert exclusions(slurm, job) == "(null)", "one failure may be anything"
    os.kill(read_status(run)["pid"], signal.SIGKILL)
    slurm.wait_for("the exclusion", lambda: exclusions(slurm, job) == "gpu002", log)
    assert "2 failures without progress" in log.read_text()


def test_an_exclude_list_that_leaves_no_node_is_refused(slurm, training, tmp_path):
    flags = [*training("nowhere", 1), "--partition", "gpu", "--mem", "4G", "--sbatch", "exclude=gpu[001-002]"]
    done = slurm.here("litemono.submit", *flags, check=False)
    assert done.returncode == 2 and "leaves no node of partition gpu" in done.stderr and "Traceback" not in done.stderr
