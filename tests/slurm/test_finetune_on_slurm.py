"""Supervised training in a job: the same submission, requeue and status as the self-supervised one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch

from litemono.engine import checkpoint, checkpoint_paths
from slurm.conftest import read_status

GPU = ("--partition", "gpu", "--mem", "4G")


def final_state(run: Path) -> dict:
    return checkpoint.load(checkpoint_paths.checkpoints(run / "checkpoints")[-1])


def test_a_fine_tuning_killed_in_its_job_is_requeued_and_ends_with_the_same_bits(slurm, finetuning, tmp_path, log_of):
    def submit(name: str) -> str:
        return slurm.submit("finetune", *finetuning, "--num_epochs", 3, "--model_name", name, *GPU)

    killed = submit("killed")
    run, log = tmp_path / "runs/killed", log_of("killed", killed)
    slurm.wait_step(run, 3, log)
    os.kill(read_status(run)["pid"], signal.SIGKILL)
    calm = submit("calm")
    assert slurm.wait_end(calm, log_of("calm", calm)) == "COMPLETED"
    assert slurm.wait_end(killed, log) == "COMPLETED"
    assert slurm.starts(killed) == ["REQUEUED", "COMPLETED"]
    one, other = final_state(run)["networks"], final_state(tmp_path / "runs/calm")["networks"]
    assert one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
    table = slurm.here("litemono.status", "--log_dir", tmp_path / "runs").stdout
    assert table.count("finished") == 2 and killed in table and calm in table


def test_losses_are_swept_by_an_array_job_after_which_status_shows_both_runs(slurm, finetuning, tmp_path):
    flags = [*finetuning, "--num_epochs", 1, "--model_name", "losses", *GPU]
    job = slurm.submit("finetune", *flags, "--sweep", "loss=silog-bts,berhu")
    runs = tmp_path / "runs/losses"
    assert slurm.wait_end(job) == "COMPLETED"
    assert sorted(slurm.starts(job)) == ["COMPLETED"] * 2
    assert {path.name for path in runs.glob("*=*")} == {"loss=silog-bts", "loss=berhu"}
    table = slurm.here("litemono.status", "--log_dir", runs).stdout
    assert table.count("finished") == 2 and "loss=berhu" in table


def test_a_preflight_of_a_fine_tuning_runs_first(slurm, finetuning, tmp_path):
    flags = [*finetuning, "--num_epochs", 1, "--model_name", "careful", *GPU]
    text = slurm.here("litemono.submit", "finetune", *flags, "--preflight").stdout
    preflight, job = (text.split(word)[1].split(":")[0] for word in ("preflight  job ", "\njob "))
    assert slurm.wait_end(preflight) == "COMPLETED" and slurm.wait_end(job) == "COMPLETED"
    log = (tmp_path / f"runs/careful/slurm/{preflight}_0_log.out").read_text()
    assert "preflight: training works" in log and not (tmp_path / "runs/careful/preflight").exists()
    assert read_status(tmp_path / "runs/careful")["state"] == "finished"
