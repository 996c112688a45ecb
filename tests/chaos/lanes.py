"""What is killed: a command, its folder, how to damage it between two starts, and how to compare it in the end."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from litemono.engine.checkpoint_paths import newest_step
from litemono.synthetic.composites import CompositeSettings, write_composites
from litemono.synthetic.writer import write_world
from litemono.utils.atomic_files import read_json

from . import sabotage
from .aims import Aim
from .compare import pack_contents, run_contents

ROOT = Path(__file__).resolve().parents[2]
PEER_SECONDS = 15.0  # after which the processes left of a killed one are ended, as srun --wait does
LIMIT_SECONDS = 240.0  # of one start; a hang
BATCH, STEPS = 4, 9  # of 12 samples in 3 epochs
TRAINING = (
    "--png --num_workers 1 --model lite-mono-tiny --height 64 --width 96 --num_epochs 3 --device cpu --seed 3 --log_every 1 "
    "--images_every 3 --model_name run"
)
SMALL = (
    f"--batch_size {BATCH} --num_workers 2 --num_epochs 3 --device cpu --seed 3 --log_every 1 --images_every 3 "
    "--checkpoint_minutes 0 --model_name run"
)
RUN_AIMS = ("checkpoint", "weights", "status", "config", "events", "validation", "import")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class Lane:
    """One command that is killed again and again."""

    name: str
    module: str
    arguments: Callable[[Path], list[object]]
    """Folder of a round -> flags."""
    aims: tuple[str, ...]
    contents: Callable[[Path], dict[str, bytes]]
    """Folder of a round -> what must be the same in the end."""
    damage: Callable[[Path, random.Random], str]
    """Do some damage in the folder of a round; returns what was done."""
    progress: Callable[[Path], float]
    """How much of the work is done in the folder of a round, from 0 to 1."""
    status: Callable[[Path], dict]
    """The state that the command left for the queue."""
    processes: int = 1
    worker_aims: tuple[str, ...] = ()
    signals: tuple[int, ...] = SIGNALS

    def start(self, folder: Path, environments: list[dict[str, str]]) -> list[subprocess.Popen]:
        """One process for each rank; environments: what each gets beside ours."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.chaos.victim", self.module, *map(str, self.arguments(folder))]
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests/chaos/in_workers")])
        shared = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": path}
        if self.processes > 1:
            shared |= {"WORLD_SIZE": str(self.processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        started = []
        for rank, own in enumerate(environments):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if self.processes > 1 else {}
            with open(folder / f"output.{rank}.txt", "ab") as output:
                started.append(
                    subprocess.Popen(command, cwd=ROOT, env={**shared, **place, **own}, stdout=output, stderr=output)
                )
        return started


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_all(processes: list[subprocess.Popen]) -> list[int]:
    """Exit statuses. When one was killed, those that are left get PEER_SECONDS. TimeoutError after LIMIT_SECONDS."""
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        while any(process.poll() is None for process in processes):
            if any(process.returncode not in (None, 0) for process in processes):
                deadline = min(deadline, time.monotonic() + PEER_SECONDS)
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        hung = [process for process in processes if process.poll() is None]
        if len(hung) == len(processes):
            raise TimeoutError(f"no end within {LIMIT_SECONDS:.0f} s")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [process.returncode for process in processes]


def training_lane(name: str, module: str, world: Path, processes: int, more: str) -> Lane:
    data = ["--data_path", world, "--split", world / "street", "--batch_size", BATCH // processes]
    return lane_of(name, module, [*data, *TRAINING.split(), *more.split()], processes)


def lane_of(name: str, module: str, flags: list[object], processes: int = 1) -> Lane:
    """A training of STEPS steps with these flags."""
    return Lane(
        name=name,
        module=module,
        arguments=lambda folder: [*flags, "--log_dir", folder],
        aims=RUN_AIMS,
        contents=lambda folder: run_contents(folder / "run"),
        damage=lambda folder, rng: sabotage.damage_run(folder / "run", rng),
        progress=lambda folder: min(1.0, newest_step(folder / "run") / STEPS),
        status=lambda folder: read_json(folder / "run/status.json"),
        processes=processes,
    )


def refine_lane(world: Path, frozen: Path) -> Lane:
    """frozen: where the depth to refine is written, half of the true one."""
    for path in sorted(world.glob("2000_01_01/*/proj_depth/groundtruth/image_02/*.png")):
        target = frozen / path.relative_to(world).parents[3] / "image_02/data" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as depth:
            Image.fromarray((np.asarray(depth) // 2).astype(np.uint16)).save(target)
    data = ["--data_path", world, "--dataset", "street", "--frozen_depth", frozen, "--height", 32, "--width", 64]
    return lane_of("refine", "litemono.refine", [*data, "--weights_init", "scratch", *SMALL.split()])


def segment_lane(composites: Path) -> Lane:
    write_composites(composites, CompositeSettings(32, 64, backgrounds=4, figures=2, variants=2, seed=3))
    data = ["--data_path", composites, "--height", 32, "--width", 64]
    return lane_of("segment", "litemono.segment", [*data, *SMALL.split()])


def pack_lane(world: Path) -> Lane:
    def arguments(folder: Path) -> list[object]:
        flags = ["--split", world / "street", "--output", folder / "pack", "--size", "96x64", "--num_workers", 2]
        return ["pack", "--from", world, *flags]

    def progress(folder: Path) -> float:
        try:
            index = json.loads((folder / "pack/packed.json").read_text())
        except FileNotFoundError:
            return 0.0
        return len(index["drives"]) / 4

    return Lane(
        name="pack",
        module="litemono.prepare",
        arguments=arguments,
        aims=("index", "frames", "source", "import"),
        contents=lambda folder: pack_contents(folder / "pack"),
        damage=lambda folder, rng: sabotage.damage_pack(folder / "pack", rng),
        progress=progress,
        status=lambda folder: {},
        worker_aims=("frames", "source"),
        signals=(signal.SIGTERM, signal.SIGINT),
    )


def make_lanes(work: Path) -> dict[str, Lane]:
    """A rendered world of four drives in `work`, and all that is done with it."""
    world = work / "world"
    size = {"height": 64, "width": 96, "drives": 4, "frames_per_drive": 8}
    write_world(world, **size, seed=0, num_workers=1, left_only=True)
    photometric = "--weights_init scratch --checkpoint_minutes 0.02"
    lanes = [
        training_lane("supervised", "litemono.finetune", world, 1, "--checkpoint_minutes 0"),
        training_lane("photometric", "litemono.train", world, 1, photometric),
        training_lane("supervised, 2 processes", "litemono.finetune", world, 2, "--checkpoint_minutes 0"),
        training_lane("photometric, 2 processes", "litemono.train", world, 2, photometric),
        pack_lane(world),
        refine_lane(world, work / "frozen"),
        segment_lane(work / "composites"),
    ]
    return {lane.name: lane for lane in lanes}


def undisturbed(lane: Lane, folder: Path) -> tuple[dict[str, bytes], dict[str, int], float]:
    """What the command leaves, how many events of each kind it has, and how many seconds it takes."""
    begin = time.monotonic()
    counts = folder.parent / f"{folder.name}.counts.json"
    environments = [{"CHAOS_COUNTS": str(counts)}, *[{}] * (lane.processes - 1)]
    statuses = wait_for_all(lane.start(folder, environments))
    if any(statuses):
        raise RuntimeError(f"{lane.name}: the undisturbed run ended with {statuses}; see {folder}/output.0.txt")
    return lane.contents(folder), json.loads(counts.read_text()), time.monotonic() - begin


def aim_environments(lane: Lane, aim: Aim | None) -> list[dict[str, str]]:
    """The aim is for the first process, which alone writes."""
    return [aim.environment() if aim else {}, *[{}] * (lane.processes - 1)]
