"""python -m benchmarks.gpu.resume: an interrupted run against an undisturbed one, tensor by tensor, on the device."""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault(
    "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
)  # cuBLAS is deterministic with it; read before torch loads it

import torch

from benchmarks.gpu.world import write_world
from litemono.data.settings import DataConfig
from litemono.engine import checkpoint
from litemono.engine.checkpoint_paths import checkpoint_folder, checkpoint_path
from litemono.engine.settings import OptimConfig, RunConfig
from litemono.tasks.monodepth.settings import ModelConfig, TrainConfig
from litemono.train import train
from litemono.utils import cli
from litemono.utils.atomic_files import write_json
from litemono.utils.errors import UserError

STEPS = 8


@dataclass(frozen=True)
class ResumeConfig:
    """What is trained."""

    out: Path = Path("gpu_results/resume")
    """Folder for the data, the runs and resume.json."""
    device: Literal["cuda", "cpu"] = "cuda"
    height: int = 64
    width: int = 96


def compare(config: ResumeConfig) -> int:
    """Train eight steps at once, and again with an end after four; compare all tensors of the two last checkpoints.

    torch's deterministic algorithms are on. Two operations of a step have none on CUDA and are then only warned of; whether
    they matter is what this shows.

    Example: python -m benchmarks.gpu.resume --device cuda
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
    world = write_world(config.out / "world", config.height, config.width)
    runs = {"undisturbed": (STEPS,), "interrupted": (STEPS // 2, STEPS)}
    for name, ends in runs.items():
        shutil.rmtree(config.out / name, ignore_errors=True)  # a run that is finished would not be trained again
        for end in ends:
            if train(training(config, world, name, end)) != cli.FINISHED:
                raise UserError(f"{config.out}/{name}: the training ended early, see its log.txt")
    states = [tensors(checkpoint.load(newest(config.out / name))) for name in runs]
    differing = {key: difference(states[0][key], states[1][key]) for key in states[0]}
    differing = {key: value for key, value in differing.items() if value > 0}
    found = {"tensors": len(states[0]), "differing": len(differing), "largest": max(differing.values(), default=0.0)}
    write_json(config.out / "resume.json", found)  # session.py records command and machine
    print(f"{found['differing']} of {found['tensors']} tensors differ, by at most {found['largest']:.3g}")
    return cli.FINISHED if not differing else cli.CRASHED


def training(config: ResumeConfig, world: Path, name: str, end: int) -> TrainConfig:
    run = RunConfig(log_dir=config.out, model_name=name, device=config.device, max_steps=end, max_val_steps=1)
    return TrainConfig(
        data=DataConfig(data_path=world, split=str(world), num_workers=2),
        model=ModelConfig(model="lite-mono-tiny", height=config.height, width=config.width, weights_init="scratch"),
        optim=replace(OptimConfig(), batch_size=4),
        run=run,
    )


def newest(run: Path) -> Path:
    return checkpoint_path(checkpoint_folder(run), STEPS)


def tensors(state: Any, name: str = "") -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint by their place in it."""
    if isinstance(state, torch.Tensor):
        return {name: state}
    items = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list) else ()
    found: dict[str, torch.Tensor] = {}
    for key, value in items:
        found |= tensors(value, f"{name}/{key}")
    return found


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest; 0 only where all bits are equal."""
    if torch.equal(one, other):
        return 0.0
    return float((one.double() - other.double()).abs().max()) or float("nan")


def main() -> None:
    cli.run(compare, ResumeConfig, "python -m benchmarks.gpu.resume")


if __name__ == "__main__":
    main()
