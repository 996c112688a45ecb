"""python -m benchmarks.gpu.data_wait: the packed loader feeding the real step, with several numbers of threads."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.gpu.world import write_world
from litemono.utils import cli
from litemono.utils.atomic_files import write_json
from litemono.utils.errors import UserError

SPEED, WAITING = re.compile(r"([\d.e+]+) img/s"), re.compile(r"Waiting for data: ([\d.]+)%")


@dataclass(frozen=True)
class DataWaitConfig:
    """What is trained."""

    out: Path = Path("gpu_results/data")
    """Folder for the data, the runs and data_wait.json."""
    device: Literal["cuda", "cpu"] = "cuda"
    threads: tuple[int, ...] = (2, 4, 16)
    """Of the loader, one run each."""
    processes: int = 1
    """One for each card."""
    small: bool = False
    """Small images and few steps, to see that it runs."""


def measure(config: DataWaitConfig) -> int:
    """Profile a training on packed frames with each number of loader threads: images per second, share of the time spent
    waiting for data, and the profile's five sentences.

    Example: python -m benchmarks.gpu.data_wait --threads 2 4 16
    """
    height, width = (64, 96) if config.small else (192, 640)
    world = write_world(config.out / "world", height, width)
    rows = []
    for threads in config.threads[:1] if config.small else config.threads:
        lines = profile(config, world, threads, height, width)
        text = "\n".join(lines)
        print(f"{threads} threads", *lines, sep="\n  ", flush=True)
        speed, waiting = SPEED.search(text), WAITING.search(text)
        if speed is None or waiting is None:
            raise UserError(f"{config.out}: the training wrote no profile, see log.txt in its run folder")
        limit = next((line.removeprefix("Limit: ") for line in lines if line.startswith("Limit: ")), "")
        rows.append(
            {
                "threads": threads,
                "images_per_s": float(speed[1]),
                "waiting": float(waiting[1]) / 100,
                "limit": limit,
                "profile": lines,
            }
        )
        content = {"processes": config.processes, "small": config.small, "rows": rows}
        write_json(config.out / "data_wait.json", content)  # session.py records command and machine
    return cli.FINISHED


def profile(config: DataWaitConfig, world: Path, threads: int, height: int, width: int) -> list[str]:
    """Lines of the run's profile/summary.txt."""
    steps = 3 if config.small else 40
    name = f"threads_{threads}"
    shutil.rmtree(config.out / name, ignore_errors=True)  # a run that is finished would not be profiled again
    flags = [
        "--data_path", world, "--split", world, "--model", "lite-mono-tiny" if config.small else "lite-mono",
        "--height", height, "--width", width, "--batch_size", 2 if config.small else 12, "--num_workers", threads,
        "--weights_init", "scratch", "--device", config.device, "--profile", steps, "--max_steps", steps + 8,
        "--max_val_steps", 1, "--log_dir", config.out, "--model_name", name,
    ]  # fmt: skip
    launcher = [sys.executable, "-m"]
    if config.processes > 1:
        launcher += ["torch.distributed.run", "--standalone", "--nproc_per_node", str(config.processes), "-m"]
    done = subprocess.run([*launcher, "litemono.train", *map(str, flags)], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"litemono.train ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return (config.out / name / "profile/summary.txt").read_text().splitlines()


def main() -> None:
    cli.run(measure, DataWaitConfig, "python -m benchmarks.gpu.data_wait")


if __name__ == "__main__":
    main()
