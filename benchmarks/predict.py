"""python -m benchmarks.predict: `litemono predict` with each backend against the published test script, from files to files."""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib
import matplotlib.cm
import matplotlib.colors
import numpy as np
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

import networks
from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.train_step import parse_size
from litemono.geometry import disp_to_depth
from litemono.predicting.backends import NEEDS, missing
from litemono.predicting.run import run
from litemono.predicting.settings import PredictConfig
from litemono.predicting.sources import open_source
from litemono.utils import cli
from litemono.utils.errors import require
from networks import weights

NATIVE = (1242, 375)  # of KITTI's images, width and height
PUBLISHED = "published loop"


@dataclass(frozen=True)
class PredictBenchmark:
    """What is timed, all on the CPU."""

    model: str = "lite-mono"
    """A network of the registry."""
    size: str = "640x192"
    """Of the network's input, WIDTHxHEIGHT."""
    images: int = 100
    """JPEGs of KITTI's size."""
    rounds: int = 3
    """In each round all take turns."""
    json: Path | None = None
    """Write the results to this file."""


class Spent(NamedTuple):
    """By one subject in one round."""

    seconds: float
    cpu_seconds: float
    """Of all threads; other processes on the same cores do not change it much."""


def benchmark(config: PredictBenchmark) -> None:
    """Time the whole of predict, from loading weights to the last picture, with every backend that is installed.

    Example: python -m benchmarks.predict --json predict.json
    """
    require(config.images > 0 and config.rounds > 0, "--images and --rounds must be positive")
    subjects = [PUBLISHED, *(name for name in NEEDS if not missing(name)), "auto"]
    times: dict[str, list[Spent]] = {name: [] for name in subjects}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, config)
        for _ in range(config.rounds):
            for subject in subjects:
                times[subject].append(spent(work(subject, folder, config.model)))
            report(config, [row(name, times[name], times[PUBLISHED], config.images) for name in subjects])


def report(config: PredictBenchmark, rows: list[dict[str, object]]) -> None:
    """What is known after a round."""
    for one in rows:
        print("{subject:16} {ms_per_image:7.1f} ms per image, {cpu_ms_per_image:7.1f} ms of CPU; {ratio:.2f} times the speed "
              "of the published loop, {cpu_ratio:.2f} by CPU time".format(**one), flush=True)  # fmt: skip
    measured = {"model": config.model, "images": config.images, "rounds": config.rounds, "rows": rows}
    write_record(config.json, machine(torch.device("cpu")), measured)


def row(subject: str, ours: list[Spent], theirs: list[Spent], images: int) -> dict[str, object]:
    """Medians over rounds, ratios within each round."""
    return {
        "subject": subject,
        "ms_per_image": 1000 * statistics.median(one.seconds for one in ours) / images,
        "cpu_ms_per_image": 1000 * statistics.median(one.cpu_seconds for one in ours) / images,
        "ratio": statistics.median(b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True)),
        "cpu_ratio": statistics.median(b.cpu_seconds / a.cpu_seconds for a, b in zip(ours, theirs, strict=True)),
    }


def write_inputs(folder: Path, config: PredictBenchmark) -> None:
    """weights/, with random weights, and images/."""
    torch.manual_seed(0)
    width, height = parse_size(config.size)
    weights.save_folder(folder / "weights", networks.create(config.model, height=height, width=width), None)
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for index in range(config.images):
        coarse = Image.fromarray(rng.integers(0, 256, (47, 155, 3), np.uint8))
        coarse.resize(NATIVE, Image.Resampling.BICUBIC).save(folder / "images" / f"{index:06}.jpg", quality=92)


def work(subject: str, folder: Path, model: str) -> Callable[[], None]:
    if subject == PUBLISHED:
        return lambda: published(folder, model)
    config = PredictConfig(
        folder / "weights", folder / "images", folder / "out", device="cpu", backend=subject, model=model  # type: ignore[arg-type]
    )  # fmt: skip
    return lambda: run(config, open_source(config))


def spent(call: Callable[[], None]) -> Spent:
    with contextlib.redirect_stdout(io.StringIO()):
        start, cpu = time.perf_counter(), time.process_time()
        call()
        return Spent(time.perf_counter() - start, time.process_time() - cpu)


def published(folder: Path, model: str) -> None:
    """What the published test script does with a folder, written anew: one image after the other, in one thread of Python."""
    net = weights.load_depth(folder / "weights", model).eval()
    (folder / "published").mkdir(exist_ok=True)
    with torch.no_grad():
        for path in sorted((folder / "images").iterdir()):
            image = Image.open(path).convert("RGB")
            small = to_tensor(image.resize((net.width, net.height), Image.Resampling.LANCZOS)).unsqueeze(0)
            disp = disp_to_depth(net(small)[0], 0.1, 100.0)[0]
            full = torch.nn.functional.interpolate(disp, image.size[::-1], mode="bilinear", align_corners=False)
            values = full.squeeze().numpy()
            norm = matplotlib.colors.Normalize(vmin=values.min(), vmax=np.percentile(values, 95))
            mapper = matplotlib.cm.ScalarMappable(norm=norm, cmap="magma")
            colours = (mapper.to_rgba(values)[:, :, :3] * 255).astype(np.uint8)
            Image.fromarray(colours).save(folder / "published" / f"{path.stem}_disp.jpeg")


def main() -> None:
    cli.run(benchmark, PredictBenchmark, "python -m benchmarks.predict")


if __name__ == "__main__":
    main()
