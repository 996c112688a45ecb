"""python -m benchmarks.supervised_learning: what ground truth gains over video alone on the rendered street, over seeds."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.over_seeds import OverSeedsConfig, cells
from benchmarks.record import write_record
from litemono.demos.commands import Stopped, run
from litemono.demos.monodepth import MonodepthDemo, run_folder, training_flags
from litemono.demos.monodepth_results import errors_in
from litemono.demos.street import render
from litemono.engine.settings import Precision
from litemono.synthetic.writer import RenderedWorld
from litemono.utils import cli
from litemono.utils.device import choose_device

SELF_SUPERVISED, SUPERVISED = "self-supervised", "supervised"
# How predictions are brought to metres: flags of evaluate.
SCALED, UNSCALED = "median scaling", "none"
ALIGNMENTS = {SCALED: "median", UNSCALED: "none"}
RATE = 5e-4  # of encoder and decoder at the start; both start from random weights


@dataclass(frozen=True)
class SupervisedLearningConfig(OverSeedsConfig):
    """How often each is trained."""

    output: Path = Path("supervised_learning")
    precision: Precision | None = None
    """What networks compute in, in both trainings. Default: as in training."""

    def demo(self, name: str = "", seed: int = 0) -> MonodepthDemo:
        """World (no name) or training of the demo, in a folder of its own."""
        demo = MonodepthDemo(output=self.output / name, num_epochs=self.num_epochs, seed=seed)
        small = {"drives": 3, "frames_per_drive": 6, "height": 32, "width": 64, "batch_size": 2}
        return replace(demo, **small, model="lite-mono-tiny") if self.small else demo


AbsRel = dict[str, dict[int, float]]
"""By kind of training and alignment, then by seed."""


def measure(config: SupervisedLearningConfig) -> int:
    """Train Lite-Mono from video and from ground truth on the same frames as often, and compare their errors on a new street.

    The network, its size, batches, epochs and first weights are the demo's in both. Errors are abs_rel against simulated lidar.

    Example: python -m benchmarks.supervised_learning --json benchmarks/results/supervised_learning.json
    """
    config.check()
    street = render(config.demo())
    abs_rel: AbsRel = {}
    try:
        run(["export_gt", "--data_path", street.folder, "--split", street.split])
        for kind, seed in itertools.product((SUPERVISED, SELF_SUPERVISED), config.seeds):
            demo = config.demo(f"{kind}_{seed}", seed)
            run([*training(kind, demo, street), *given("precision", config), *given("device", config)])
            for alignment in ALIGNMENTS:
                error = evaluated(demo, street, alignment, given("device", config))
                abs_rel.setdefault(row(kind, alignment), {})[seed] = error
            write_record(config.json, machine(choose_device(config.device)), report(config, abs_rel))
    except Stopped as stopped:
        return stopped.status
    show(abs_rel)
    return 0


def training(kind: str, demo: MonodepthDemo, street: RenderedWorld) -> list[object]:
    """The training command."""
    data = ["--data_path", street.folder, "--split", street.split, "--png"]
    if kind == SELF_SUPERVISED:
        return ["litemono.train", *data, *training_flags(demo)]
    return [
        "litemono.finetune", *data, "--model", demo.model, "--height", demo.height, "--width", demo.width,
        "--batch_size", demo.batch_size, "--num_epochs", demo.num_epochs, "--lr", RATE, "--schedule", "cosine",
        "--drop_path", 0, "--augment", "none", "--log_dir", run_folder(demo).parent,
        "--model_name", run_folder(demo).name, "--seed", demo.seed,
    ]  # fmt: skip


def evaluated(demo: MonodepthDemo, street: RenderedWorld, alignment: str, device: list[object]) -> float:
    """abs_rel of a run's last weights on the test street."""
    weights = run_folder(demo) / "models/last"
    results = demo.output / f"{ALIGNMENTS[alignment]}.json"
    run([
        "evaluate", "--data_path", street.folder, "--split", street.split, "--png", "--model", demo.model,
        "--load_weights", weights, "--align", ALIGNMENTS[alignment], "--output", results, *device,
    ])  # fmt: skip
    return errors_in(results).abs_rel


def given(flag: str, config: SupervisedLearningConfig) -> list[object]:
    """The flag and its value where it was given to this command."""
    value = getattr(config, flag)
    return [] if value is None else [f"--{flag}", value]


# ---------------------------------------------------------------- report


def row(kind: str, alignment: str) -> str:
    return f"{kind}, alignment: {alignment}"


def report(config: SupervisedLearningConfig, abs_rel: AbsRel) -> dict[str, object]:
    return {
        "settings": {key: str(value) for key, value in asdict(config).items()},
        "abs_rel": abs_rel,
        "mean": {name: float(np.mean(list(by_seed.values()))) for name, by_seed in abs_rel.items()},
    }


def show(abs_rel: AbsRel) -> None:
    table = Table(title="abs_rel on the test street", title_justify="left")
    seeds = list(next(iter(abs_rel.values())))
    for name in ("", *(f"seed {seed}" for seed in seeds), "mean"):
        table.add_column(name, justify="right" if name else "left")
    for name, by_seed in abs_rel.items():
        table.add_row(name, *cells(by_seed[seed] for seed in seeds))
    Console(highlight=False).print(table)


def main() -> None:
    cli.run(measure, SupervisedLearningConfig, "python -m benchmarks.supervised_learning")


if __name__ == "__main__":
    main()
