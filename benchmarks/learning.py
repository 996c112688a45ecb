"""python -m benchmarks.learning: does the fast training learn the same? Final abs_rel on the rendered world, over seeds."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.over_seeds import OverSeedsConfig, cells
from benchmarks.published_step import (
    PublishedModel,
    pixel_grid,
    published_optimizers,
    published_step,
    use_torch_defaults,
)
from benchmarks.record import write_record
from litemono.demos.monodepth import MonodepthDemo, training_flags
from litemono.demos.monodepth_results import errors_in
from litemono.demos.street import render
from litemono.engine.distributed import Processes
from litemono.engine.lr_schedule import schedule
from litemono.engine.settings import Precision
from litemono.engine.step import seed_step
from litemono.synthetic.writer import RenderedWorld
from litemono.tasks.monodepth.settings import TrainConfig
from litemono.tasks.monodepth.task import Monodepth
from litemono.train import train
from litemono.utils import cli
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError
from networks import weights


class Setting(NamedTuple):
    """How ours is trained."""

    precision: Precision | None
    """None: what training takes on the device."""
    compiled: bool


# What is trained: the plain published recipe, and ours in some of its settings.
PUBLISHED = "published"
OURS = {
    "default": Setting(None, False),
    "fp32": Setting("fp32", False),
    "bf16": Setting("bf16", False),
    "bf16, compiled": Setting("bf16", True),
    "fp16, compiled": Setting("fp16", True),
}


@dataclass(frozen=True)
class LearningConfig(OverSeedsConfig):
    """What is trained, how often."""

    output: Path = Path("learning")
    ours: tuple[Literal["default", "fp32", "bf16", "bf16, compiled", "fp16, compiled"], ...] = (
        "fp32",
        "bf16, compiled",
    )
    """Settings of ours to compare with the published recipe."""

    @property
    def demo(self) -> MonodepthDemo:
        """World and training."""
        demo = MonodepthDemo(output=self.output, num_epochs=self.num_epochs)
        small = {"drives": 3, "frames_per_drive": 6, "height": 32, "width": 64, "batch_size": 2}
        return replace(demo, **small, model="lite-mono-tiny") if self.small else demo


def measure(config: LearningConfig) -> int:
    """Train the published recipe and ours on the demo's rendered world, and compare their depth errors.

    Example: python -m benchmarks.learning --json benchmarks/results/learning.json
    """
    config.check()
    street = render(config.demo)
    command("export_gt", "--data_path", street.folder, "--split", street.split)
    abs_rel: dict[str, dict[int, float]] = {}
    for seed in config.seeds:
        for name in (PUBLISHED, *config.ours):
            settings = training(config, street, name, seed)
            start = time.monotonic()
            if status := (train_published if name == PUBLISHED else train)(settings):
                return status
            print(f"{settings.folder}: trained in {time.monotonic() - start:.0f} s", flush=True)
            abs_rel.setdefault(name, {})[seed] = evaluated(settings, street)
            write_record(config.json, machine(choose_device(config.device)), report(config, abs_rel))
    show(report(config, abs_rel))
    return 0


def training(config: LearningConfig, street: RenderedWorld, name: str, seed: int) -> TrainConfig:
    """The demo's training, of one kind with one seed."""
    flags = ("--data_path", street.folder, "--split", street.split, "--png", *training_flags(config.demo))
    settings = cli.parse(TrainConfig, "litemono.train", "", [*map(str, flags)])
    return replace(
        settings,
        optim=replace(settings.optim, precision=OURS[name].precision if name in OURS else None),
        loss=replace(settings.loss, compile=name in OURS and OURS[name].compiled),
        run=replace(settings.run, model_name=f"{name.replace(', ', '_')}_{seed}", seed=seed, device=config.device),
    )


def train_published(config: TrainConfig) -> int:
    """The published recipe on the same samples in the same order, from the same first weights; nothing if that is done."""
    if (config.folder / "models/last/depth.pth").exists():
        return 0
    processes, task = Processes(config.run.device), Monodepth(config)
    use_torch_defaults()  # whatever the training before this one chose
    torch.manual_seed(config.run.seed)
    data = task.data(processes)
    nets = task.build(torch.device("cpu"), "fp32")
    grid = pixel_grid(config.optim.batch_size, config.model.height, config.model.width, processes.device)
    model = PublishedModel(nets.depth, nets.pose, grid).to(processes.device).train()
    optimizers = published_optimizers(model)
    step = 0
    for epoch in range(config.optim.num_epochs):
        for optimizer, rate in zip(optimizers, config.rates, strict=True):
            optimizer.param_groups[0]["lr"] = schedule("published", rate, config.optim.num_epochs)(epoch)
        data.order.seek(epoch, 0)
        for batch in data.train:
            seed_step(config.run.seed, step, processes.rank)
            loss = published_step(model, optimizers, batch, processes.device)
            step += 1
        print(f"{config.folder}: epoch {epoch + 1}/{config.optim.num_epochs}  loss {loss:.4f}", flush=True)
    (config.folder / "models").mkdir(parents=True, exist_ok=True)
    weights.save_folder(config.folder / "models/last", model.depth, model.pose)
    return 0


def evaluated(config: TrainConfig, street: RenderedWorld) -> float:
    """abs_rel of a run's last weights on the test street, by the evaluate command."""
    folder = config.folder / "models/last"
    flags = ("--data_path", street.folder, "--split", street.split, "--png", "--model", config.model.model)
    command("evaluate", *flags, "--load_weights", folder)
    return errors_in(folder / f"eval_{street.split.name}.json").abs_rel


def command(module: str, *flags: object) -> None:
    done = subprocess.run([sys.executable, "-m", module, *map(str, flags)], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{module} ended with {done.returncode}: {done.stderr.strip()[-500:]}")


def report(config: LearningConfig, abs_rel: dict[str, dict[int, float]]) -> dict[str, object]:
    mean = {name: float(np.mean(list(by_seed.values()))) for name, by_seed in abs_rel.items()}
    return {
        "settings": {key: str(value) for key, value in asdict(config).items()},
        "abs_rel": abs_rel,
        "mean": mean,
        "over_published": {name: value / mean[PUBLISHED] - 1 for name, value in mean.items()},
    }


def show(results: dict[str, object]) -> None:
    table = Table(title="abs_rel on the test street", title_justify="left")
    seeds = list(results["abs_rel"][PUBLISHED])
    for name in ("", *(f"seed {seed}" for seed in seeds), "mean", "over published"):
        table.add_column(name, justify="right" if name else "left")
    for name, by_seed in results["abs_rel"].items():
        table.add_row(name, *cells(by_seed[seed] for seed in seeds), f"{results['over_published'][name]:+.1%}")
    Console(highlight=False).print(table)


def main() -> None:
    cli.run(measure, LearningConfig, "python -m benchmarks.learning")


if __name__ == "__main__":
    main()
