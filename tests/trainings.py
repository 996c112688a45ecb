"""Trainings as tests start, wait for, and compare them; the smallest one there is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import processes
import pytest
import torch
from conftest import ROOT

from litemono.data.settings import DataConfig
from litemono.engine import checkpoint, checkpoint_paths
from litemono.engine.settings import OptimConfig, RunConfig
from litemono.engine.tensorboard import events_in
from litemono.tasks.monodepth.settings import LossConfig, ModelConfig, TrainConfig

EPOCH_STEPS, EPOCHS = 4, 2
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # images this small are slower on more


def settings(street: Path, log_dir: Path, name: str = "run", *, data=None, model=None, loss=None, optim=None, run=None):
    """The smallest training there is: 8 samples of 64x32, lite-mono-tiny, 2 epochs of 4 steps."""
    return TrainConfig(
        data=DataConfig(data_path=street, split=str(street), png=True, num_workers=0, **(data or {})),
        model=ModelConfig(
            **{"model": "lite-mono-tiny", "height": 32, "width": 64, "weights_init": "scratch", **(model or {})}
        ),
        loss=LossConfig(**(loss or {})),
        optim=OptimConfig(**{"batch_size": 2, "num_epochs": EPOCHS, **(optim or {})}),
        run=RunConfig(log_dir=log_dir, model_name=name, device="cpu", **{"log_every": 1, **(run or {})}),
    )


def flags(street: Path, log_dir: Path, name: str = "run") -> list[str]:
    """The same as `settings`, as a user types it."""
    text = (
        f"--data_path {street} --split {street} --png --num_workers 0 --model lite-mono-tiny --height 32 --width 64 "
        f"--weights_init scratch --batch_size 2 --num_epochs {EPOCHS} --log_dir {log_dir} --model_name {name} "
        "--device cpu --log_every 1 --checkpoint_minutes 0"
    )
    return text.split()


def start(module: str, arguments: list[str]) -> subprocess.Popen:
    """python -m MODULE ARGUMENTS, which the test kills or waits for (processes.kill, processes.finish)."""
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
    return processes.start([sys.executable, "-m", module, *arguments], env=environment, cwd=ROOT)


def wait_for_step(process: subprocess.Popen, run: Path, step: int) -> None:
    """Until the process has written a checkpoint of `step` or later."""

    def written() -> bool:
        return any(int(path.stem[5:]) >= step for path in checkpoint_paths.checkpoints(run / "checkpoints"))

    processes.wait_until(f"a checkpoint of step {step} in {run}", written, by=process)


def kill_at_step(step: int, module: str, arguments: list[str], run: Path) -> None:
    """Start python -m MODULE ARGUMENTS, and kill it once it has written a checkpoint of `step` or later."""
    process = start(module, arguments)
    wait_for_step(process, run, step)
    processes.kill(process)


def complete(main: Callable[[], None], arguments: list[str]) -> None:
    """Run a training command to its end in this process, which saves the seconds of starting one."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as left:
        patch.setattr(sys, "argv", ["command", *arguments])
        main()
    assert not left.value.code


def final_state(run: Path) -> dict:
    return checkpoint.load(checkpoint_paths.checkpoints(run / "checkpoints")[-1])


def assert_same_training(one: Path, other: Path) -> None:
    """Same weights, optimiser states and curves, bit by bit."""
    a, b = final_state(one), final_state(other)
    different = [name for name, value in a["networks"].items() if not torch.equal(value, b["networks"][name])]
    assert not different, f"{len(different)} of {len(a['model'])} tensors differ, first {different[0]}"
    for mine, theirs in zip(a["optimizers"], b["optimizers"], strict=True):
        assert all(
            torch.equal(value, theirs["state"][i][key])
            for i, entry in mine["state"].items()
            for key, value in entry.items()
        )
    for curves in ("train", "val"):
        assert scalars(one / curves, "loss") == scalars(other / curves, "loss")


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """(step, value) of every record in the event files, duplicates included."""
    return [
        (event.step, value.simple_value)
        for event in events_in(folder)
        for value in event.summary.value
        if value.tag == tag
    ]
