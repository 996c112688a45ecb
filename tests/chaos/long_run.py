"""python -m tests.chaos.long_run: a long training watched from outside, and one that is restarted 30 times.

--steps 10000      memory, file handles, threads and log sizes, sampled every second
--restarts 30      SIGUSR1 after each step, then the counters and curves of the finished run
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from litemono.engine import checkpoint
from litemono.engine.checkpoint_paths import checkpoint_folder, checkpoints, newest_step
from litemono.engine.tensorboard import events_in
from litemono.synthetic.writer import write_world

from .lanes import LIMIT_SECONDS, ROOT, wait_for_all

PAGE = os.sysconf("SC_PAGE_SIZE")
SAMPLE_SECONDS = 1.0
STEP_SECONDS = 2.0  # at most; a tenth is usual
TRAINING = "--png --num_workers 2 --model lite-mono-tiny --height 32 --width 64 --device cpu --model_name run --schedule constant"


class Sample(NamedTuple):
    """Of a process and all that it started."""

    step: int
    memory_mb: float
    handles: int
    threads: int
    processes: int
    log_kb: float
    events_kb: float


def start(world: Path, log_dir: Path, more: str) -> subprocess.Popen:
    data = ["--data_path", world, "--split", world / "street", "--log_dir", log_dir]
    command = [sys.executable, "-m", "litemono.finetune", *map(str, data), *TRAINING.split(), *more.split()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def family(pid: int) -> list[int]:
    """The process and those below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(other for child in children for other in family(int(child)))]


def look(pid: int, run: Path) -> Sample | None:
    """None where the run is not under way."""
    try:
        step = json.loads((run / "status.json").read_text())["step"]
        pids = family(pid)
        memory = sum(int(Path(f"/proc/{p}/statm").read_text().split()[1]) * PAGE for p in pids)
        handles = sum(len(os.listdir(f"/proc/{p}/fd")) for p in pids)
        threads = sum(len(os.listdir(f"/proc/{p}/task")) for p in pids)
        sizes = [(run / "log.txt").stat().st_size, sum(path.stat().st_size for path in run.glob("*/events*"))]
    except (OSError, KeyError, ValueError):
        return None
    return Sample(step, memory / 1e6, handles, threads, len(pids), *(size / 1e3 for size in sizes)) if pids else None


def long_training(work: Path, steps: int) -> dict[str, object]:
    """Figures of the second and the last fifth of the run."""
    world, begin = work / "world", time.monotonic()
    # Many samples to an epoch: each epoch writes a folder of weights.
    lines = (world / "street/train_files.txt").read_text()
    (world / "street/train_files.txt").write_text(lines * 40)
    more = f"--batch_size 1 --num_epochs 1000 --max_steps {steps} --max_val_steps 2 --images_every 1000 --log_every 50"
    process, samples = start(world, work / "long", more), []
    while process.poll() is None and time.monotonic() - begin < LIMIT_SECONDS + steps * STEP_SECONDS:
        time.sleep(SAMPLE_SECONDS)
        if sample := look(process.pid, work / "long/run"):
            samples.append(sample)
    process.kill()
    process.wait(LIMIT_SECONDS)
    (world / "street/train_files.txt").write_text(lines)
    fifths = {
        name: summary([s for s in samples if low * steps <= s.step < high * steps])
        for name, low, high in (("second fifth", 0.2, 0.4), ("last fifth", 0.8, 1.0))
    }
    return {"steps": steps, "exit": process.returncode, "seconds": round(time.monotonic() - begin), **fifths}


def summary(samples: list[Sample]) -> dict[str, float]:
    medians = {
        name: statistics.median(getattr(s, name) for s in samples) for name in ("memory_mb", "handles", "threads")
    }
    steps = max(1, samples[-1].step - samples[0].step)
    growth = {
        f"{name}_per_1000_steps": 1000 * (getattr(samples[-1], name) - getattr(samples[0], name)) / steps
        for name in ("log_kb", "events_kb")
    }
    return {name: round(value, 2) for name, value in (medians | growth).items()} | {"samples": len(samples)}


def restarted_training(work: Path, restarts: int) -> dict[str, object]:
    """Each start takes a step at least and gets a signal; the last one finishes."""
    run, steps_done = work / "restarted/run", 0
    more = f"--batch_size 1 --num_epochs {restarts // 6 + 2} --checkpoint_minutes 0 --log_every 1"
    statuses = []
    for _ in range(restarts):
        process = start(work / "world", work / "restarted", more)
        deadline = time.monotonic() + LIMIT_SECONDS
        while newest_step(run) <= steps_done and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        statuses += wait_for_all([process])
        steps_done = newest_step(run)
    statuses += wait_for_all([start(work / "world", work / "restarted", more)])
    progress = checkpoint.load(checkpoints(checkpoint_folder(run))[-1])["progress"]
    curve = [event.step for event in events_in(run / "train") for value in event.summary.value if value.tag == "loss"]
    state = json.loads((run / "status.json").read_text())
    return {
        "exits": sorted(set(statuses)),
        "progress": {name: progress[name] for name in ("epoch", "step", "restarts")},
        "status": {name: state[name] for name in ("state", "step", "total_steps", "restarts")},
        "every step once on the curve": curve == list(range(1, progress["step"] + 1)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--restarts", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work, size = Path(folder), {"height": 64, "width": 96, "drives": 4, "frames_per_drive": 8}
        write_world(work / "world", **size, seed=0, num_workers=1, left_only=True)
        if arguments.restarts:
            print(json.dumps(restarted_training(work, arguments.restarts), indent=1), flush=True)
        if arguments.steps:
            print(json.dumps(long_training(work, arguments.steps), indent=1), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
