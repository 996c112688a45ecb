"""python -m benchmarks.mixed_learning: does a tiny DPT learn two data sets with different ground truth? Over seeds."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.over_seeds import OverSeedsConfig, cells
from benchmarks.record import write_record
from litemono.data.kitti.paths import annotation_path
from litemono.data.splits import SplitLine, read_split
from litemono.demos.commands import Stopped, run
from litemono.engine.tensorboard import events_in
from litemono.synthetic.writer import RenderedWorld, write_world
from litemono.utils import cli
from litemono.utils.atomic_files import write_atomically
from litemono.utils.device import choose_device

SETS = ("street", "pairs")
NEARNESS = (0.37, 0.01)  # scale and shift of 1 / metres in the second data set's truth; training is not given them
UNTRAINED, TRAINED = "untrained", "trained on both"


@dataclass(frozen=True)
class MixedLearningConfig(OverSeedsConfig):
    """How often it is trained."""

    output: Path = Path("mixed_learning")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the network's input; images are twice that."""
        return (64, 32) if self.small else (192, 64)


AbsRel = dict[str, dict[str, dict[int, float]]]
"""By data set, UNTRAINED or TRAINED, and seed."""


def measure(config: MixedLearningConfig) -> int:
    """Train dpt-tiny from random weights on a street in metres mixed with another street in relative inverse depth.

    Half of every batch is of each. Errors are abs_rel on validation streets of both, after a fit of scale and shift.

    Example: python -m benchmarks.mixed_learning --json benchmarks/results/mixed_learning.json
    """
    config.check()
    street = rendered(config, 0)
    pairs = as_pairs(rendered(config, 1), config.output / "pairs")
    abs_rel: AbsRel = {name: {UNTRAINED: {}, TRAINED: {}} for name in SETS}
    try:
        for seed in config.seeds:
            for state, flags in ((UNTRAINED, ["--max_steps", 1, "--lr", 1e-12]), (TRAINED, ["--lr", 1e-4, 5e-4])):
                folder = config.output / "runs" / f"{state.split()[0]}_{seed}"
                run([*training(config, street, pairs, folder, seed), *flags])
                for name in SETS:
                    abs_rel[name][state][seed] = last_value(folder / "val", f"{name}/abs_rel")
            settings = {key: str(value) for key, value in asdict(config).items()}
            write_record(config.json, machine(choose_device(config.device)), {"settings": settings, "abs_rel": abs_rel})
    except Stopped as stopped:
        return stopped.status
    show(abs_rel)
    return 0


# ---------------------------------------------------------------- data


def rendered(config: MixedLearningConfig, seed: int) -> RenderedWorld:
    width, height = config.size
    drives, frames = (3, 6) if config.small else (5, 24)
    return write_world(
        config.output / f"world_{seed}", height=2 * height, width=2 * width, drives=drives, frames_per_drive=frames,
        seed=seed, num_workers=1, left_only=True,
    )  # fmt: skip


def as_pairs(world: RenderedWorld, folder: Path) -> Path:
    """The world's training and validation drives as folders of images and of relative inverse depth, and their lists."""
    for which in ("train", "val"):
        lines = read_split(world.split / f"{which}_files.txt")
        for line in lines:
            write_pair(world, line, folder)
        text = "".join(f"{Path(line.folder).name} {line.frame} l\n" for line in lines)
        write_atomically(folder / f"{which}_files.txt", text.encode())
    return folder


def write_pair(world: RenderedWorld, line: SplitLine, folder: Path) -> None:
    drive, name = Path(line.folder).name, f"{line.frame:010d}"
    for kind in ("images", "depth"):
        (folder / kind / drive).mkdir(parents=True, exist_ok=True)
    shutil.copy(world.folder / line.folder / f"image_02/data/{name}.png", folder / f"images/{drive}/{name}.png")
    metres = np.asarray(Image.open(annotation_path(world.folder, *line)), np.float32) / 256
    scale, shift = NEARNESS
    nearness = np.where(metres > 0, scale / np.maximum(metres, 1e-3) + shift, 0).astype(np.float32)
    np.save(folder / f"depth/{drive}/{name}.npy", nearness)


# ---------------------------------------------------------------- training


def training(config: MixedLearningConfig, street: RenderedWorld, pairs: Path, folder: Path, seed: int) -> list[object]:
    """The finetune command without its learning rates."""
    width, height = config.size
    device = ["--device", config.device] if config.device else []
    return [
        "litemono.finetune", "--dataset", ",".join(SETS), "--data_path", f"{street.folder},{pairs}",
        "--split", f"{street.split},{pairs}", "--depth_is", "own", "relative", "--mix", "equal", "--png",
        "--loss", "ssi-trimmed", "--model", "dpt-tiny", "--height", height, "--width", width, "--drop_path", 0,
        "--augment", "none", "--batch_size", 4, "--num_epochs", config.num_epochs, "--schedule", "cosine",
        "--log_dir", folder.parent, "--model_name", folder.name, "--seed", seed, *device,
    ]  # fmt: skip


def last_value(curves: Path, tag: str) -> float:
    """Of a TensorBoard curve."""
    events = events_in(curves)
    return [value.simple_value for event in events for value in event.summary.value if value.tag == tag][-1]


# ---------------------------------------------------------------- report


def show(abs_rel: AbsRel) -> None:
    table = Table("data set", "", title="abs_rel of dpt-tiny, scale and shift fitted", title_justify="left")
    seeds = list(abs_rel[SETS[0]][TRAINED])
    for name in (*(f"seed {seed}" for seed in seeds), "mean"):
        table.add_column(name, justify="right")
    for name, states in abs_rel.items():
        for state, by_seed in states.items():
            table.add_row(name, state, *cells(by_seed[seed] for seed in seeds))
    Console(highlight=False).print(table)


def main() -> None:
    cli.run(measure, MixedLearningConfig, "python -m benchmarks.mixed_learning")


if __name__ == "__main__":
    main()
