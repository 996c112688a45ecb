"""Supervised training in a job: the same submission, requeue and status as the self-supervised one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch

from litemono.engine import checkpoint, checkpoint_paths
from slurm.conftest import read_status


def final_state(run: Path) -> dict:
    return checkpoint.load(checkpoint_paths.checkpoints(run / "checkpoints")[-1])


def test_a_fine_tuning_killed_in_its_job_is_requeued_and_ends_with_the_same_bits(slurm, world, tmp_path, log_of):
    def submit(name: str) -> str:
        text = (
            f"--data_path {world} --split {world}/street --png --model lite-mono-tiny --height 32 --width 64 "
            f"--batch_size 2 --device cpu --num_workers 0 --log_dir {tmp_path}/runs --num_epochs 20 --log_every 1 "
            f"--images_every 100000 --checkpoint_minutes 0 --model_name {name} --partition gpu --mem 4G"
        )
        return slurm.submit("finetune", *text.split())

    killed, calm = submit("killed"), submit("calm")
    run, log = tmp_path / "runs/killed", log_of("killed", killed)
    slurm.wait_step(run, 3, log)
    os.kill(read_status(run)["pid"], signal.SIGKILL)
    assert slurm.wait_end(calm, log_of("calm", calm)) == "COMPLETED"
    assert slurm.wait_end(killed, log) == "COMPLETED"
    assert slurm.starts(killed) == ["REQUEUED", "COMPLETED"]
    one, other = final_state(run)["networks"], final_state(tmp_path / "runs/calm")["networks"]
    assert one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
    table = slurm.python("litemono.status", "--log_dir", tmp_path / "runs").stdout
    assert table.count("finished") == 2 and killed in table and calm in table
