"""python -m litemono.demo: the whole story on a small rendered world, by the commands a user types."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

import networks.registry
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.settings import default_workers
from litemono.data.splits import read_split, split_file
from litemono.metrics import MAX_DEPTH, Errors
from litemono.synthetic import baselines
from litemono.synthetic.writer import RenderedWorld, write_world
from litemono.tasks.monodepth_settings import Model
from litemono.utils import cli
from litemono.utils.atomic_files import replacing
from litemono.utils.errors import UserError
from litemono.utils.packages import evaluation

RUN = "street"
SHOWN = 4  # test images in the closing picture
BRIGHT = 6.0  # metres from which on its depth is shown in the brightest colour
PASSED_ON = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
RESUMABLE = tuple(cli.SIGNAL_BASE + number for number in (*PASSED_ON, getattr(signal, "SIGUSR1", 10)))


@dataclass(frozen=True)
class DemoConfig:
    """Where the demo works and how much it does; the defaults take some minutes on two cores."""

    output: Path = Path("demo")
    """Folder for everything: world, runs, pictures. The same command again continues with what is there."""
    drives: int = 10
    """Streets to render: the last is for testing, the one before for validation."""
    frames_per_drive: int = 40
    """Frames of each street."""
    model: Model = "lite-mono"
    """Depth network."""
    height: int = 64
    """Network input height; the world is rendered at twice that size."""
    width: int = 192
    """Network input width."""
    batch_size: int = 4
    """Samples per training step."""
    num_epochs: int = 6
    """Epochs to train; more of them, better depth."""
    lr: tuple[float, float] = (2e-4, 5e-4)
    """Highest learning rates of the depth and the pose network; they fall to a fiftieth of that along a cosine. Without
    ImageNet weights the pose has to learn faster: wrong motion teaches the depth to be far away everywhere."""
    seed: int = 0
    """Another seed, another world and another training."""
    num_workers: int = field(default_factory=default_workers)
    """Processes that render, and threads that read. Default: one per core, at most 8."""


class Stopped(Exception):
    """A command ended with this status and has said why."""

    def __init__(self, status: int):
        self.status = status


def demo(config: DemoConfig) -> int:
    """Render a street, train on its video, evaluate against its lidar, and show depth pictures.

    Example: python -m litemono.demo --output demo
    """
    start = time.monotonic()
    networks.registry.get(config.model).input.check(config.height, config.width)  # before rendering
    say(f"Rendering {config.drives} streets of {config.frames_per_drive} frames into {config.output / 'world'}")
    world = render(config)
    try:
        for command in story(config, world):
            run(command)
    except Stopped as stopped:
        if stopped.status in RESUMABLE:
            say("Interrupted: the same command continues from here.")
        return stopped.status
    rows = score(config, world)
    picture = config.output / "demo.png"
    draw(config, world, picture)
    summarise_demo(config, world, rows, picture, time.monotonic() - start)
    return 0


def render(config: DemoConfig) -> RenderedWorld:
    """The world of these settings, new or as it is there."""
    try:
        config.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {config.output}: cannot be made ({error.strerror}); choose another folder") from None
    return write_world(
        config.output / "world",
        height=2 * config.height,
        width=2 * config.width,
        drives=config.drives,
        frames_per_drive=config.frames_per_drive,
        seed=config.seed,
        num_workers=config.num_workers,
        left_only=True,
    )


# ---------------------------------------------------------------- the user's own commands


def run_folder(config: DemoConfig) -> Path:
    return config.output / "runs" / RUN


def trained_weights(config: DemoConfig) -> Path:
    return run_folder(config) / "models" / f"weights_{config.num_epochs - 1}"


def story(config: DemoConfig, world: RenderedWorld) -> list[list[object]]:
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


def training_flags(config: DemoConfig) -> list[object]:
    """A short training from scratch: no regularisation that costs steps, and cosines that end just before a restart."""
    rates = [value for rate in config.lr for value in (rate, rate / 50, config.num_epochs + 1)]
    return [
        "--model", config.model, "--height", config.height, "--width", config.width, "--batch_size", config.batch_size,
        "--num_epochs", config.num_epochs, "--lr", *rates, "--weights_init", "scratch", "--drop_path", 0,
        "--color_jitter", "off", "--log_dir", config.output / "runs", "--model_name", RUN, "--seed", config.seed,
    ]  # fmt: skip


def save_untrained(config: DemoConfig, folder: Path) -> None:
    """The network with fresh random weights, as training starts from."""
    import torch

    from networks import weights

    torch.manual_seed(config.seed)
    net = networks.create(config.model, height=config.height, width=config.width)
    weights.save_folder(folder, net, None)


def run(command: list[object]) -> None:
    """Print the command as a user would type it, and run it with its output visible. Raises Stopped if it fails, or if a
    signal arrived: the command gets the signal too, and may save what it did before it ends."""
    words = ["-m", *map(str, command)]
    say(f"$ python {shlex.join(words)}")
    with (
        signals_passed_on() as (received, children),
        # a session of its own, so that Ctrl-C reaches it once, through us
        subprocess.Popen([sys.executable, *words], start_new_session=True) as process,
    ):
        children.append(process)
        for signum in received:
            process.send_signal(signum)
        status = process.wait()
    if received or status:
        raise Stopped(status if status > 0 else cli.SIGNAL_BASE + (-status or received[0]))


@contextmanager
def signals_passed_on() -> Iterator[tuple[list[int], list[subprocess.Popen]]]:
    """Within the block, signals that would end this process go to the children instead: (signals received, children)."""
    received: list[int] = []
    children: list[subprocess.Popen] = []

    def pass_on(signum: int, frame: object) -> None:
        received.append(signum)
        for child in children:
            child.send_signal(signum)

    before = {signum: signal.signal(signum, pass_on) for signum in PASSED_ON}
    try:
        yield received, children
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


# ---------------------------------------------------------------- what the depth must beat


def score(config: DemoConfig, world: RenderedWorld) -> list[tuple[str, Errors]]:
    """What each way of guessing depth makes of the test images, the trained network first."""
    truths = ground_truth(world)
    name = f"eval_{world.split.name}.json"
    metres, fixed = baselines.best(truths, baselines.constant, median_scaling=False)
    end, walled = baselines.best(truths, baselines.flat_road, median_scaling=True)
    return [
        (f"{config.model}, trained here", errors_in(trained_weights(config) / name)),
        (f"{config.model}, untrained", errors_in(config.output / "untrained" / name)),
        ("one depth per image", baselines.mean_errors(truths, baselines.constant, 1.0, median_scaling=True)),
        (f"one depth for all images, the best ({metres:.1f} m)", fixed),
        (
            "a flat road, far away from the horizon up",
            baselines.mean_errors(truths, baselines.flat_road, MAX_DEPTH, median_scaling=True),
        ),
        (f"a flat road up to a wall, the best ({end:.1f} m)", walled),
    ]


def ground_truth(world: RenderedWorld) -> list[np.ndarray]:
    """(H, W) float32 metres of each test image, as export_gt wrote them; 0 where there is no point."""
    with np.load(world.folder / f"gt_depths_{world.split.name}.npz") as file:
        return [file[f"{index:04d}"] for index in range(len(file["lines"]))]


def errors_in(path: Path) -> Errors:
    """Of a results file of the evaluate command."""
    return Errors(*(json.loads(path.read_text())["metrics"][name] for name in Errors._fields))


# ---------------------------------------------------------------- what to look at


def draw(config: DemoConfig, world: RenderedWorld, path: Path) -> None:
    """Some test images, the depth predicted for them and what the scanner measured, in one picture."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lines = read_split(split_file(str(world.split), "test"))
    truth = ground_truth(world)
    chosen = np.linspace(0, len(lines) - 1, min(SHOWN, len(lines))).round().astype(int)
    shades = {"cmap": "magma", "vmin": 0, "vmax": 1 / BRIGHT}
    titles = ("image", f"{config.model}: depth", "lidar")
    figure, axes = plt.subplots(len(chosen), 3, figsize=(12, 1.35 * len(chosen)), squeeze=False, layout="constrained")
    for row, index in zip(axes, chosen, strict=True):
        line, measured = lines[int(index)], truth[index]
        image = np.asarray(Image.open(KITTI_RAW.frame_path(world.folder, *line, ".png")))
        disparity = np.load(config.output / "pictures" / f"{line.frame:010d}_disp.npy")[0, 0]
        disparity = cv2.resize(disparity, measured.shape[::-1])
        seen = measured > 0
        scale = np.median(disparity[seen]) * np.median(measured[seen])  # as median scaling does in evaluate
        row[0].imshow(image)
        row[1].imshow(disparity / scale, **shades)
        row[2].imshow(np.zeros_like(measured), **shades)
        v, u = np.nonzero(seen)
        row[2].scatter(u, v, 2.5, c=1 / measured[seen], linewidths=0, **shades)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
    for axis in axes.flat:
        axis.set_axis_off()
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=100)
    plt.close(figure)


def summarise_demo(
    config: DemoConfig, world: RenderedWorld, rows: list[tuple[str, Errors]], picture: Path, seconds: float
) -> None:
    """The closing table, and the files to look at."""
    table = Table(
        title=f"Depth of {len(read_split(world.split / 'test_files.txt'))} test images of a street not trained on"
    )
    for column in ("", "abs_rel", "rmse", "a1"):
        table.add_column(column, justify="right" if column else "left")
    for name, errors in rows:
        table.add_row(name, f"{errors.abs_rel:.3f}", f"{errors.rmse:.2f}", f"{errors.a1:.3f}")
    print()
    Console().print(table)
    print(
        "abs_rel and rmse: lower is better; a1: higher. All but the one depth for all images are scaled to each image's"
    )
    print("true median, as the field does; what is called the best was chosen on the test images themselves.")
    run = run_folder(config)
    files = {
        picture: "images, predicted depth, lidar",
        config.output / "pictures": "depth pictures of the whole test drive",
        trained_weights(config): "weights, and eval_street.json with all seven errors",
        run / "log.txt": f"the training; its curves: tensorboard --logdir {run} (pip install tensorboard)",
        world.folder: "the rendered world in KITTI's layout",
    }
    say(f"Done in {seconds / 60:.1f} minutes. Look at:")
    width = max(len(str(path)) for path in files)
    for path, what in files.items():
        print(f"  {str(path):<{width}}  {what}")


def main() -> None:
    cli.run(demo, DemoConfig, "python -m litemono.demo")


if __name__ == "__main__":
    main()
