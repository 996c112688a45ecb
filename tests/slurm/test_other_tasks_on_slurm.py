"""Refinement and masks in jobs: killed once, requeued, finished."""

from __future__ import annotations

import os
import signal
from pathlib import Path

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


def test_trainings_killed_in_their_jobs_are_requeued_and_finish(slurm, world, tmp_path, log_of):
    """Side by side: the second starts while the first waits in the queue for its next start."""
    jobs = {}
    for task in (refine, segment):
        name = task.__name__
        flags = f"{task(world, tmp_path)} {SMALL} --log_dir {tmp_path}/runs --model_name {name}".split()
        jobs[name] = slurm.submit(*flags, "--partition", "gpu", "--mem", "4G")
        slurm.wait_step(tmp_path / "runs" / name, 2, log_of(name, jobs[name]))
        os.kill(read_status(tmp_path / "runs" / name)["pid"], signal.SIGKILL)
    for name, job in jobs.items():
        run = tmp_path / "runs" / name
        assert slurm.wait_end(job, log_of(name, job)) == "COMPLETED"
        assert slurm.starts(job) == ["REQUEUED", "COMPLETED"] and read_status(run)["state"] == "finished"
        assert (run / "models/last/validation.json").is_file()
