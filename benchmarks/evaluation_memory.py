"""What evaluating one more image costs in memory: the peak of the whole command on folders of 3,000 and of 30,000 predictions.

    python -m benchmarks.evaluation_memory --json evaluation.json

Maps are tiny, because they are not kept: what grows is a row of metrics, and names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import machine
from benchmarks.record import record
from litemono.utils import cli
from litemono.utils.atomic_files import write_json

FLAGS = ("--pred_is", "depth", "--crop", "none", "--align", "lstsq")
SHAPE = (8, 16)
# VmHWM begins with the program; what getrusage says of it begins with the process that started it.
CHILD = """
from evaluate.__main__ import main
try:
    main()
finally:
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("peak", peak.split()[1])
"""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    few: int = 3000
    many: int = 30000
    json: Path | None = None
    """Record of benchmarks.evaluation, whose part "memory" is replaced. Default: print."""


def write_folders(root: Path, count: int) -> None:
    """gt/ and pred/ of `count` maps each in ten scenes: links to one file, so that they take no disk."""
    draw = np.random.default_rng(0)
    for what in ("gt", "pred"):
        scenes = [root / what / f"scene_{scene:02d}" for scene in range(10)]
        for scene in scenes:
            scene.mkdir(parents=True)
        np.save(root / f"{what}.npy", draw.uniform(2, 60, SHAPE).astype(np.float32))
        for index in range(count):
            os.link(root / f"{what}.npy", scenes[index % 10] / f"frame_{index:06d}.npy")


def peak_bytes(count: int) -> int:
    """Largest resident memory of `evaluate` on so many images."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_folders(root, count)
        paths = ("--pred", root / "pred", "--gt_path", root / "gt", "--output", root / "errors.json")
        command = [sys.executable, "-c", CHILD, *map(str, (*paths, *FLAGS))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return 1024 * int(done.stdout.split()[-1])


def measure(config: Config) -> None:
    """Measure and record the memory of one more image."""
    peaks = [peak_bytes(count) for count in (config.few, config.many)]
    found = {
        "images": [config.few, config.many],
        "peak_bytes": peaks,
        "growth_bytes_per_image": round((peaks[1] - peaks[0]) / (config.many - config.few), 1),
    }
    print(json.dumps(found, indent=1))
    if config.json is not None:
        there = json.loads(config.json.read_text()) if config.json.is_file() else {}
        write_json(config.json, {**there, "memory": record(machine(torch.device("cpu")), found)})


if __name__ == "__main__":
    cli.run(measure, Config, "python -m benchmarks.evaluation_memory")
