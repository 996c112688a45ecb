"""python -m benchmarks.composite_loader: what litemono segment waits for pictures, from zips and from a pack.

Rooms are rendered as JPEG at 224x224, zipped as published data of this kind is, and packed at 128x128. For each place: CPU time
of a sample; the share of the time that a training waits whose steps leave the processor idle, as on a GPU, at several speeds;
and the share that --profile finds in a training on this machine's processor.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.depth_loader import BATCH, cpu_per_sample, waiting
from benchmarks.machine import machine
from benchmarks.record import write_record
from litemono.data.composite_samples import CompositeSamples
from litemono.data.datasets.composites import KINDS
from litemono.data.packing.composites import pack_composites
from litemono.data.stores.composites import open_composites
from litemono.synthetic.composites import CompositeSettings, write_composites
from litemono.utils import cli
from litemono.utils.errors import require

ORIGINAL, SIZE = (224, 224), (128, 128)  # height, width
STEP_RATES = (100, 300, 1000)  # pictures/s of a training that leaves the processor idle
WAITED = re.compile(r"Waiting for data: ([\d.]+)%")


@dataclass(frozen=True)
class CompositeLoaderConfig:
    """How much is measured."""

    backgrounds: int = 10
    """Rooms; 32 pictures are rendered of each."""
    steps: int = 40
    """Batches of 8 that are timed."""
    profile: int = 10
    """Steps of a training that are recorded; batches of 16, once with threads that read and once without."""
    json: Path | None = None
    """Write the results here."""


@dataclass(frozen=True)
class PlaceResult:
    """One place to read from."""

    name: str
    cpu_ms: float  # per sample
    ratio: float  # to the zips
    waited: dict[str, float]
    """Share of the time that a training at so many pictures/s waits for data, with two threads."""
    profiled: dict[str, float]
    """The same in a training on the processor, as --profile prints it, by the number of threads that read."""


def measure(config: CompositeLoaderConfig) -> None:
    """Compare zips, folders and a pack.

    Example: python -m benchmarks.composite_loader --json composite_loader.json
    """
    for name in ("backgrounds", "steps", "profile"):
        require(getattr(config, name) >= 2, f"--{name} {getattr(config, name)}: must be at least 2")
    with tempfile.TemporaryDirectory(prefix="composites-") as folder:
        results = compare(Path(folder), config)
    table = Table(title=f"Reading {SIZE[1]}x{SIZE[0]} from JPEG {ORIGINAL[1]}x{ORIGINAL[0]}")
    columns = ("", "CPU ms", "ratio", *(f"waits at {rate}/s" for rate in STEP_RATES), "profile, 0 threads", "2 threads")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for result in results:
        shares = [f"{share:.1%}" for share in (*result.waited.values(), *result.profiled.values())]
        table.add_row(result.name, f"{result.cpu_ms:.2f}", f"{result.ratio:.1f}", *shares)
    Console(width=max(110, Console().width)).print(table)
    write_record(config.json, machine(torch.device("cpu")), {"places": [asdict(result) for result in results]})


def compare(root: Path, config: CompositeLoaderConfig) -> list[PlaceResult]:
    settings = CompositeSettings(*ORIGINAL, backgrounds=config.backgrounds, figures=8, variants=4, ext="jpg")
    write_composites(root / "folder", settings)
    write_zips(root / "folder", root / "zips")
    pack_composites(root / "folder", root / "pack", SIZE, 1, Console(quiet=True))
    results: list[PlaceResult] = []
    for name in ("zips", "folder", "pack"):
        store = open_composites(root / name, SIZE)
        data = CompositeSamples(store, store.lines, training=True)
        cpu_ms = cpu_per_sample(data, config.steps * (20 if name == "pack" else 1))
        waited = {str(rate): waiting(data, rate) for rate in STEP_RATES}
        profiled = {str(threads): profile(root, name, threads, config.profile) for threads in (0, 2)}
        results.append(PlaceResult(name, cpu_ms, results[0].cpu_ms / cpu_ms if results else 1.0, waited, profiled))
    return results


def write_zips(source: Path, target: Path) -> None:
    """One archive for each kind, stored as it is: JPEGs do not get smaller."""
    target.mkdir()
    for kind in KINDS:
        with zipfile.ZipFile(target / f"{kind}.zip", "w") as archive:
            for path in sorted((source / kind).iterdir()):
                archive.write(path, f"{kind}/{path.name}")


def profile(root: Path, name: str, threads: int, steps: int) -> float:
    """Share of the time waited for data, as --profile says it."""
    run = f"{name}_{threads}"
    flags = ["--data_path", root / name, "--height", SIZE[0], "--width", SIZE[1], "--batch_size", 2 * BATCH,
             "--num_workers", threads, "--device", "cpu", "--max_steps", steps + 4, "--max_val_steps", 1,
             "--profile", steps, "--log_dir", root / "runs", "--model_name", run]  # fmt: skip
    words = [sys.executable, "-m", "litemono.segment", *map(str, flags)]
    done = subprocess.run(words, capture_output=True, text=True)
    require(done.returncode == 0, f"{run}: {done.stderr.strip()[-300:]}")
    found = WAITED.search((root / "runs" / run / "profile" / "summary.txt").read_text())
    require(found, f"{run}: --profile did not say how long it waited for data")
    return float(found[1]) / 100  # type: ignore[index]  # it is there


def main() -> None:
    cli.run(measure, CompositeLoaderConfig, "python -m benchmarks.composite_loader")


if __name__ == "__main__":
    main()
