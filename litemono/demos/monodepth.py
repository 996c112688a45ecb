"""litemono demo --task monodepth: train on the video of a rendered street, and evaluate against its scanner."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import networks.registry
from litemono.demos import monodepth_results as results
from litemono.demos.commands import check, run_all, say_done
from litemono.demos.street import StreetDemo, render
from litemono.synthetic.writer import RenderedWorld
from litemono.tasks.monodepth.settings import Model
from litemono.utils.packages import evaluation

RUN = "street"


@dataclass(frozen=True)
class MonodepthDemo(StreetDemo):
    """How much is rendered and trained."""

    model: Model = "lite-mono"
    """Depth network."""
    batch_size: int = 4
    """Samples per training step."""
    num_epochs: int = 6
    """Epochs to train; more of them, better depth."""
    lr: tuple[float, float] = (2e-4, 5e-4)
    """Highest learning rates of the depth and the pose network; they fall to a fiftieth of that along a cosine. Without
    ImageNet weights the pose has to learn faster: wrong motion teaches the depth to be far away everywhere."""


def monodepth(config: MonodepthDemo) -> int:
    """Render a street, train on its video, evaluate against its lidar, and show depth pictures.

    Example: python -m litemono.demo --output demo
    """
    start = time.monotonic()
    check(config, config.batch_size, config.num_epochs, config.lr)
    networks.registry.get(config.model).input.check(config.height, config.width)  # before rendering
    world = render(config)
    if status := run_all(story(config, world)):
        return status
    trained, untrained = trained_weights(config), config.output / "untrained"
    rows = results.score(world, config.model, trained, untrained)
    picture = config.output / "demo.png"
    results.draw(world, config.model, config.output / "pictures", picture)
    results.print_table(world, rows)
    run = run_folder(config)
    say_done(
        time.monotonic() - start,
        {
            picture: "images, predicted depth, lidar",
            config.output / "pictures": "depth pictures of the whole test drive",
            trained: "weights, and eval_street.json with all seven errors",
            run / "log.txt": f"the training; its curves: tensorboard --logdir {run} (pip install tensorboard)",
            world.folder: "the rendered world in KITTI's layout",
        },
    )
    return 0


def run_folder(config: MonodepthDemo) -> Path:
    return config.output / "runs" / RUN


def trained_weights(config: MonodepthDemo) -> Path:
    return run_folder(config) / "models" / f"weights_{config.num_epochs - 1}"


def story(config: MonodepthDemo, world: RenderedWorld) -> list[list[object]]:
    """Module and flags of each command, in order."""
    data = ["--data_path", world.folder, "--split", world.split]
    workers = ["--num_workers", config.num_workers]
    untrained, trained = config.output / "untrained", trained_weights(config)
    save_untrained(config, untrained)
    evaluate = [evaluation(), *data, "--png", "--model", config.model, *workers]
    test_drive = world.drive(config.drives - 1) / "image_02" / "data"
    return [
        ["litemono.train", *data, "--png", *training_flags(config), *workers],
        ["export_gt", *data, *workers],
        [*evaluate, "--load_weights", untrained],
        [*evaluate, "--load_weights", trained],
        ["litemono.predict", "--load_weights", trained, "--model", config.model, "--input", test_drive,
         "--output", config.output / "pictures", "--save_npy"],
    ]  # fmt: skip


def training_flags(config: MonodepthDemo) -> list[object]:
    """A short training from scratch: no regularisation that costs steps, and cosines that end just before a restart."""
    rates = [value for rate in config.lr for value in (rate, rate / 50, config.num_epochs + 1)]
    return [
        "--model", config.model, "--height", config.height, "--width", config.width, "--batch_size", config.batch_size,
        "--num_epochs", config.num_epochs, "--lr", *rates, "--weights_init", "scratch", "--drop_path", 0,
        "--color_jitter", "off", "--log_dir", config.output / "runs", "--model_name", RUN, "--seed", config.seed,
    ]  # fmt: skip


def save_untrained(config: MonodepthDemo, folder: Path) -> None:
    """The network with fresh random weights, as training starts from."""
    import torch

    from networks import weights

    torch.manual_seed(config.seed)
    net = networks.create(config.model, height=config.height, width=config.width)
    weights.save_folder(folder, net, None)
