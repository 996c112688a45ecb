"""Several processes train what one process with their batches together trains."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import processes
import pytest
import torch
import torch.distributed as dist
from conftest import ROOT
from trainings import complete, final_state, flags, scalars, settings

from litemono.engine import checkpoint
from litemono.engine.distributed import PeerLost, Processes
from litemono.engine.grad_guard import GradGuard
from litemono.engine.reporter import Reporter
from litemono.engine.resume import newest_checkpoint
from litemono.engine.step import TaskModule, seed_step, train_step
from litemono.engine.training import adamw
from litemono.tasks.monodepth.settings import TrainConfig
from litemono.tasks.monodepth.task import Monodepth
from litemono.train import main
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")  # as the processes it is compared with: sums have one order


def torchrun(ranks: int, arguments: list[str]) -> subprocess.CompletedProcess:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [*launcher, "-m", "litemono.train", *arguments]
    return processes.run(command, env=environment, cwd=ROOT, seconds=500)


@pytest.fixture(scope="module")
def together(street, tmp_path_factory) -> tuple[Path, str]:
    """The log folder of a run after the first step of two processes, and what they printed. Read only."""
    folder = tmp_path_factory.mktemp("together")
    done = torchrun(2, [*flags(street, folder), "--num_epochs", "1", "--max_steps", "1"])
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_two_processes_share_the_batch_write_once_and_one_process_resumes_them(street, tmp_path, together):
    folder, printed = together
    shutil.copytree(folder / "run", tmp_path / "run")
    progress = final_state(tmp_path / "run")["progress"]
    assert (progress["step"], progress["samples"]) == (1, 4), "one step of 2 processes x 2 samples"
    assert printed.count("finished: weights in") == 1
    validated = json.loads((tmp_path / "run/models/last/validation_batches.json").read_text())
    assert validated["processes"] == 2 and sum(samples for _, samples in validated["batches"]["loss"]) == 3
    complete(main, [*flags(street, tmp_path), "--num_epochs", "1", "--batch_size", "4"])
    progress = final_state(tmp_path / "run")["progress"]
    assert (progress["epoch"], progress["step"], progress["restarts"]) == (1, 2, 1)
    assert [step for step, _ in scalars(tmp_path / "run" / "train", "loss")] == [1, 2]


def test_two_processes_take_the_mean_of_their_gradients(street, tmp_path, together):
    optimizers = final_state(together[0] / "run")["optimizers"]
    # AdamW's first moment after one step is a tenth of the gradient.
    exchanged = [10 * state["exp_avg"] for optimizer in optimizers for state in optimizer["state"].values()]
    config = settings(street, tmp_path)
    of_first, of_second = (own_gradients(config, rank) for rank in range(2))
    assert len(exchanged) == len(of_first)
    for both, first, second in zip(exchanged, of_first, of_second, strict=True):
        torch.testing.assert_close(both, (first + second) / 2, rtol=1e-4, atol=1e-4 * first.abs().max().item() + 1e-9)
    assert any(not torch.allclose(first, second, rtol=0.1) for first, second in zip(of_first, of_second, strict=True))


def test_three_processes_resume_to_the_same_bits(street, tmp_path):
    """Sums of three depend on how torch groups the gradients."""
    for name, stops in (("whole", (2,)), ("halves", (1, 2))):
        for stop in stops:
            done = torchrun(3, [*flags(street, tmp_path, name), "--batch_size", "1", "--max_steps", str(stop)])
            assert done.returncode == 0, done.stderr
    whole, halves = final_state(tmp_path / "whole"), final_state(tmp_path / "halves")
    assert whole["progress"]["step"] == halves["progress"]["step"] == 2 and halves["progress"]["restarts"] == 1
    assert all(torch.equal(value, halves["networks"][name]) for name, value in whole["networks"].items())


@pytest.mark.parametrize(("failure", "raised"), [(UserError, UserError), (OSError, RuntimeError)])
def test_where_the_first_process_fails_the_others_do_not_wait_for_it(monkeypatch, failure, raised):
    def fail():
        raise failure("why")

    codes = []
    processes = Processes("cpu")
    processes.size = 2
    monkeypatch.setattr(dist, "broadcast", lambda tensor, src: codes.append(tensor.item()))
    with pytest.raises(failure, match="why"):
        processes.on_main(fail)
    processes.rank = 1
    monkeypatch.setattr(dist, "broadcast", lambda tensor, src: tensor.fill_(codes[0]))
    with pytest.raises(raised, match="the first process failed"):
        processes.on_main(fail)
    codes[0] = 0
    assert processes.on_main(fail) is None


def test_all_processes_resume_from_the_checkpoint_that_the_first_one_sees(tmp_path, monkeypatch):
    """A file server may show the newest to some only, and for a while."""
    for step in (1, 2):
        checkpoint.save(tmp_path / "checkpoints", step, {"progress": {"step": step}}, keep=3)
    processes = Processes("cpu")
    processes.rank, processes.size = 1, 2
    told = iter([0, 1, 0, -1])  # rank 0 did not fail, its step
    monkeypatch.setattr(dist, "broadcast", lambda tensor, src: tensor.fill_(next(told)))
    assert newest_checkpoint(tmp_path, processes, Reporter(None))["progress"]["step"] == 1
    assert newest_checkpoint(tmp_path, processes, Reporter(None)) is None


def own_gradients(config: TrainConfig, rank: int) -> list[torch.Tensor]:
    """Of one of two processes in the first step, computed without the other."""
    processes = Processes("cpu")
    processes.rank, processes.size = rank, 2
    torch.manual_seed(config.run.seed)
    task = Monodepth(config)
    data, networks = task.data(processes), task.build(processes.device, "fp32")
    optimizers = [adamw(group) for group in task.parameter_groups(networks)]
    seed_step(config.run.seed, 0, rank)
    options = {"device": processes.device, "precision": "fp32", "accumulate": 1, "spike_factor": 0.0}
    train_step(
        TaskModule(task, networks), optimizers, next(iter(data.train)), GradGuard(processes.device, "fp32"), **options
    )
    return [p.grad for optimizer in optimizers for p in optimizer.param_groups[0]["params"] if p.grad is not None]


@pytest.mark.parametrize(("device", "failed", "leaves"), [("cpu", False, 1), ("cpu", True, 1), ("cuda", True, 0)])
def test_who_fails_on_a_gpu_does_not_wait_for_the_others(monkeypatch, device, failed, leaves):
    """NCCL ends a group only when all that was queued is done; the message would wait for that too."""
    processes, left = Processes("cpu"), []
    processes.size, processes.device = 2, torch.device(device)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: left.append(1))
    with contextlib.suppress(UserError), processes:
        if failed:
            raise UserError("a damaged image")
    assert len(left) == leaves


@pytest.mark.parametrize(
    "message",
    [
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:525] Read error [127.0.0.1]:23428: Connection reset by peer",
        "[gloo/transport/tcp/pair.cc:598] Connection closed by peer [10.0.0.2]:39999",
        "NCCL error in: x.cpp:37, remote process exited or there was a network error, NCCL version 2.21.5",
    ],
)
def test_a_process_that_lost_another_one_says_so(monkeypatch, message):
    """And not that memory is short; the job is requeued, because the reason may have passed."""
    processes = Processes("cpu")
    with pytest.raises(RuntimeError, match="^" + re.escape(message[:20])), processes.lost_peer_explained():
        raise RuntimeError(message)  # alone there is no other process
    processes.size = 2
    with (
        pytest.raises(PeerLost, match="process 0 of 2 lost the connection to another one"),
        processes.lost_peer_explained(),
    ):
        raise RuntimeError(message)
    with pytest.raises(RuntimeError, match="^out of memory$"), processes.lost_peer_explained():
        raise RuntimeError("out of memory")
