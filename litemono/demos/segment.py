"""litemono demo --task segment: masks and depth of persons in rendered rooms, beside background subtraction."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from litemono.demos import TaskName
from litemono.demos.commands import DemoConfig, check, make_folder, run_all, say, say_done
from litemono.engine.settings import check_not_negative
from litemono.synthetic.composites import CompositeSettings, write_composites
from litemono.utils.errors import require

RUN = "masks"


@dataclass(frozen=True)
class SegmentDemo(DemoConfig):
    """How much is rendered and trained."""

    task: TaskName = "segment"
    output: Path = Path("demo_segment")
    backgrounds: int = 100
    """Rooms to render; 30 % of them are held out."""
    figures: int = 5
    """Persons; each stands in each room."""
    variants: int = 1
    """Poses and places of each person in each room."""
    height: int = 96
    """Height of the pictures."""
    width: int = 96
    """Width of the pictures."""
    batch_size: int = 16
    """Samples per training step."""
    num_epochs: int = 24
    """Epochs to train."""
    lr: float = 5e-3
    """Highest learning rate."""
    depth_weight: float = 10.0
    """Weight of the depth's loss: its numbers are a tenth of the mask's."""


def segment(config: SegmentDemo) -> int:
    """Render rooms with persons in them, train masks and depth, and compare with what the difference of the pictures shows.

    Between a background and its pictures the exposure changes, there is noise, and persons cast shadows. The pictures that are
    judged have rooms that were not trained on.

    Example: python -m litemono.demo --task segment
    """
    start = time.monotonic()
    check(config, config.batch_size, config.num_epochs, (config.lr,))
    check_not_negative("depth_weight", config.depth_weight)
    require(config.backgrounds >= 2, f"--backgrounds {config.backgrounds}: at least 2, because some are held out")
    settings = CompositeSettings(
        height=config.height,
        width=config.width,
        backgrounds=config.backgrounds,
        figures=config.figures,
        variants=config.variants,
        seed=config.seed,
    )
    settings.check()
    make_folder(config.output)
    world = config.output / "world"
    say(f"Rendering {settings.count} pictures of {config.backgrounds} rooms into {world}")
    write_composites(world, settings, config.num_workers)
    if status := run_all(story(config, world)):
        return status
    from litemono.demos import segment_results as results  # imports torch

    tests = results.test_pictures(config.output / "packed", config.output / "predictions")
    results.print_table(results.score(tests), tests)
    picture = config.output / "demo.png"
    results.draw(tests, picture)
    say_done(
        time.monotonic() - start,
        {
            picture: "background, picture, masks by difference and by the network, depth, truth",
            config.output / "predictions": "masks and depths of the held-out rooms, and metrics.json",
            trained_weights(config): "weights, and validation.json",
            world: "the rendered rooms: bg/, fgbg/, mask/, depth/",
        },
    )
    return 0


def trained_weights(config: SegmentDemo) -> Path:
    return config.output / "runs" / RUN / "models" / "last"


def story(config: SegmentDemo, world: Path) -> list[list[object]]:
    """Module and flags of each command, in order."""
    packed, workers = config.output / "packed", ["--num_workers", config.num_workers]
    return [
        ["litemono.prepare", "pack-composites", "--from", world, "--output", packed,
         "--size", f"{config.width}x{config.height}", *workers],
        ["litemono.segment", "--data_path", packed, "--height", config.height, "--width", config.width, "--augment", "flip",
         "--batch_size", config.batch_size, "--num_epochs", config.num_epochs, "--lr", config.lr,
         "--depth_weight", config.depth_weight, "--seed", config.seed,
         "--log_dir", config.output / "runs", "--model_name", RUN, *workers],
        ["litemono.segment_apply", "--load_weights", trained_weights(config), "--output", config.output / "predictions",
         *workers],
    ]  # fmt: skip
