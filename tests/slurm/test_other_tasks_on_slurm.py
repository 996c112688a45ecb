"""Refinement and masks in jobs: killed once, requeued, finished."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from composites import SIZE, write_small
from test_refine import write_frozen

from slurm.conftest import read_status

SMALL = "--batch_size 4 --num_workers 0 --device cpu --checkpoint_minutes 0"


def refine(world: Path, folder: Path) -> str:
    frozen = write_frozen(world, folder / "frozen")
    data = f"--data_path {world} --dataset street --frozen_depth {frozen} --height 32 --width 64"
    return f"refine {data} --weights_init scratch --num_epochs 6"


def segment(world: Path, folder: Path) -> str:
    height, width = SIZE
    return f"segment --data_path {write_small(folder / 'composites')} --height {height} --width {width} --num_epochs 60"


@pytest.mark.parametrize("task", [refine, segment])
def test_a_training_killed_in_its_job_is_requeued_and_finishes(slurm, world, tmp_path, log_of, task):
    name = task.__name__
    flags = f"{task(world, tmp_path)} {SMALL} --log_dir {tmp_path}/runs --model_name {name}".split()
    job = slurm.submit(*flags, "--partition", "gpu", "--mem", "4G")
    run, log = tmp_path / "runs" / name, log_of(name, job)
    slurm.wait_step(run, 2, log)
    os.kill(read_status(run)["pid"], signal.SIGKILL)
    assert slurm.wait_end(job, log) == "COMPLETED"
    assert slurm.starts(job) == ["REQUEUED", "COMPLETED"] and read_status(run)["state"] == "finished"
    assert (run / "models/last/validation.json").is_file()
