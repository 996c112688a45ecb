"""litemono demo --task refine: turn wrong depth of a rendered street into metres, beside the best scale and shift."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from litemono.demos import TaskName
from litemono.demos import refine_results as results
from litemono.demos.commands import check, run_all, say_done
from litemono.demos.street import StreetDemo, render
from litemono.synthetic.frozen_depth import write_frozen_depth
from litemono.synthetic.writer import RenderedWorld
from litemono.utils.atomic_files import write_json
from litemono.utils.errors import require

RUN = "refined"


@dataclass(frozen=True)
class RefineDemo(StreetDemo):
    """How much is rendered and trained."""

    task: TaskName = "refine"
    output: Path = Path("demo_refine")
    drives: int = 8
    frames_per_drive: int = 30
    batch_size: int = 8
    """Samples per training step."""
    num_epochs: int = 8
    """Epochs to train."""
    lr: float = 1e-3
    """Highest learning rate."""


def refine(config: RefineDemo) -> int:
    """Render a street, take depth that is wrong as a generic network's is, refine it, and compare with the best scale and shift.

    The depth to refine is no network's: it is the exact depth, curved, tilted, blurred, with a scale of its own in every image,
    and wrong on cars.

    Example: python -m litemono.demo --task refine
    """
    start = time.monotonic()
    check(config, config.batch_size, config.num_epochs, (config.lr,))
    least = 32
    require(
        min(config.height, config.width) >= least, f"--height {config.height} --width {config.width}: at least {least}"
    )
    world = render(config)
    write_frozen_depth(world)
    if status := run_all(story(config, world)):
        return status
    picture = config.output / "demo.png"
    images = results.test_images(world, trained_weights(config), config.output / "pictures")
    rows, seconds = results.score(images), time.monotonic() - start
    results.print_table(rows, len(images))
    results.draw(images, picture)
    record = {"seconds": round(seconds), "images": len(images), "errors": [row._asdict() for row in rows]}
    write_json(config.output / "results.json", record)
    say_done(
        seconds,
        {
            picture: "image, given depth, refined depth, exact depth, error",
            config.output / "results.json": "the table above",
            config.output / "pictures": "refined depth of the test street, as pictures and 16-bit PNGs",
            trained_weights(config): "weights, and validation.json with all errors",
            world.folder: "the rendered world; frozen/ has the depth to refine, masks/ the cars",
        },
    )
    return 0


def trained_weights(config: RefineDemo) -> Path:
    return config.output / "runs" / RUN / "models" / "last"


def story(config: RefineDemo, world: RenderedWorld) -> list[list[object]]:
    """Module and flags of each command, in order."""
    test = world.drive(config.drives - 1).relative_to(world.folder) / "image_02" / "data"
    frozen = world.folder / "frozen"
    return [
        ["litemono.refine", "--data_path", world.folder, "--dataset", "street", "--frozen_depth", frozen,
         "--object_masks", world.folder / "masks", "--loss", "l1", "--weights_init", "scratch",
         "--height", config.height, "--width", config.width, "--batch_size", config.batch_size,
         "--num_epochs", config.num_epochs, "--lr", config.lr, "--seed", config.seed,
         "--num_workers", config.num_workers, "--log_dir", config.output / "runs", "--model_name", RUN],
        ["litemono.predict", "--load_weights", trained_weights(config), "--input", world.folder / test,
         "--frozen_depth", frozen / test, "--output", config.output / "pictures", "--depth_png"],
    ]  # fmt: skip
