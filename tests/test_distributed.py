"""Several processes train what one process with their batches together trains."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from conftest import ROOT
from test_train import final_state, flags, scalars

from litemono.distributed import World
from litemono.errors import UserError


def torchrun(processes: int, arguments: list[str]) -> subprocess.CompletedProcess:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [*launcher, "-m", "litemono.train", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=500)


def test_two_processes_share_the_batch_write_once_and_one_process_resumes_them(street, tmp_path):
    arguments = [*flags(street, tmp_path), "--num_epochs", "1"]
    together = torchrun(2, [*arguments, "--max_steps", "1"])
    assert together.returncode == 0, together.stderr
    progress = final_state(tmp_path / "run")["progress"]
    assert (progress["step"], progress["samples"]) == (1, 4), "one step of 2 processes x 2 samples"
    assert together.stdout.count("finished: weights in") == 1
    alone = torchrun(1, [*arguments, "--batch_size", "4"])
    assert alone.returncode == 0, alone.stderr
    progress = final_state(tmp_path / "run")["progress"]
    assert (progress["epoch"], progress["step"], progress["restarts"]) == (1, 2, 1)
    assert [step for step, _ in scalars(tmp_path / "run" / "train", "loss")] == [1, 2]


def test_the_first_loss_of_two_processes_is_close_to_that_of_one(street, tmp_path):
    """Not equal: each process has its own BatchNorm statistics and drop path, and logs its own half of the batch."""
    base = [*flags(street, tmp_path, "two"), "--drop_path", "0", "--max_steps", "1"]
    assert torchrun(2, base).returncode == 0
    one = [*flags(street, tmp_path, "one"), "--drop_path", "0", "--max_steps", "1", "--batch_size", "4"]
    assert torchrun(1, one).returncode == 0
    losses = [scalars(tmp_path / name / "val", "loss")[0][1] for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.parametrize(("device", "failed", "leaves"), [("cpu", False, 1), ("cpu", True, 1), ("cuda", True, 0)])
def test_who_fails_on_a_gpu_does_not_wait_for_the_others(monkeypatch, device, failed, leaves):
    """NCCL ends a group only when all that was queued is done; the message would wait for that too."""
    world, left = World("cpu"), []
    world.size, world.device = 2, torch.device(device)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: left.append(1))
    with contextlib.suppress(UserError), world:
        if failed:
            raise UserError("a damaged image")
    assert len(left) == leaves
