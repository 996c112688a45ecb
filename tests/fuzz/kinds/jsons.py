"""JSON that other processes, other versions and people leave: the pack's index, settings, and the state of runs."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from parity_recipes import fill

import networks
from litemono import inference
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.packing.split import open_index
from litemono.data.stores.packed import PackedStore
from litemono.data.stores.packed_index import INDEX_FILE, Camera, Drive, PackIndex, frames_file, write_index
from litemono.engine.resume import check_same_run
from litemono.engine.settings import RunConfig, to_json
from litemono.jobs import slurm
from litemono.jobs.requeue import count_try, training_report
from litemono.jobs.runs import read_runs
from litemono.status import make_table
from litemono.tasks.monodepth.settings import ModelConfig, TrainConfig
from networks import weights

from ..mutations import damaged_json, json_bytes
from .base import Kind, Use
from .pictures import DRIVE

INDEX = {
    "format": "litemono packed frames 1",
    "dataset": "kitti",
    "height": 32,
    "width": 64,
    "drives": {
        DRIVE: {
            "cameras": {"l": {"native_size": [375, 1242], "frames": [1, 2], "crc32": [1, 2]}},
            "scans": [],
            "no_scans": [2],
        }
    },
}
STATUS = {
    **{"state": "running", "final": False, "exit": None, "message": "", "step": 12, "total_steps": 100, "restarts": 1},
    **{"epoch": 1, "steps_per_epoch": 10, "images_per_second": 9.5, "data_wait": 0.01, "loss": 0.1, "eta_seconds": 60},
    **{"best": {"de/abs_rel": 0.1}, "pid": 1, "host": "n1", "node": "n1", "job_id": "12", "updated": 1.7e9},
}
NOTE = {"submitted": 1.7e9, "job_id": "12"}
TRIES = {"job_id": "12", "step": 4, "count": 1}
JUDGED = {"metrics": {"abs_rel": 0.1}}
SETTINGS = TrainConfig(model=ModelConfig(model="lite-mono-tiny", height=32, width=64), run=RunConfig(model_name="run"))


def use_index(folder: Path) -> Use:
    """The index of a pack that is there, read as training and as a second `pack` do."""
    index = PackIndex("kitti", 32, 64, {DRIVE: Drive({"l": Camera((375, 1242), [1, 2], [1, 2])}, [], [2])})
    path = frames_file(folder, KITTI_RAW, DRIVE, "l")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.zeros(2 * index.frame_bytes, np.uint8).tofile(path)
    write_index(folder, index)

    def use(data: bytes) -> None:
        (folder / INDEX_FILE).write_bytes(data)
        store = PackedStore(KITTI_RAW, folder)
        store.check_size(32, 64)
        for drive, entry in store.index.drives.items():
            for side, camera in entry.cameras.items():
                for frame in camera.frames[:3]:
                    store.look(drive, frame, side)
                    store.read(drive, frame, side)
                    store.check(drive, frame, side)
        open_index(folder, KITTI_RAW, 32, 64)

    return use


def use_settings(folder: Path) -> Use:
    """config.json beside weights, and in the folder of a run that is to be resumed."""
    net = networks.create("lite-mono-tiny", height=32, width=64)
    fill(net.encoder)
    fill(net.decoder)
    config = TrainConfig(model=SETTINGS.model, run=RunConfig(model_name="run", log_dir=folder))
    last = config.folder / "models/last"
    weights.save_folder(last, net, None)
    (config.folder / "checkpoints").mkdir(exist_ok=True)
    (config.folder / "checkpoints/step_00000001.pt").touch()
    load_depth = weights.load_depth

    def cached(place: Path, name: str, height: int | None = None, width: int | None = None) -> torch.nn.Module:
        networks.registry.get(name)
        return net if name == "lite-mono-tiny" else load_depth(place, name, height, width)

    def use(data: bytes) -> None:
        (last / "config.json").write_bytes(data)
        (config.folder / "config.json").write_bytes(data)
        with mock.patch.object(weights, "load_depth", cached):  # the same weights each time
            inference.load_trained(last, None, torch.device("cpu"))
        check_same_run(config)

    return use


def use_status(folder: Path) -> Use:
    """Every JSON that `status` and the end of a batch script read."""
    run = folder / "runs/run"
    (run / "models/last").mkdir(parents=True, exist_ok=True)

    def use(data: bytes) -> None:
        for name in ("status.json", "job.json", "tries.json", "models/last/eval_eigen.json"):
            (run / name).write_bytes(data)
        with mock.patch.object(slurm, "available", lambda: False):
            make_table(read_runs(folder / "runs"))
        training_report(run, "12")
        count_try(run, "12", 4)

    return use


PACKED_INDEX = Kind("packed index", [json_bytes(INDEX)], damaged_json(INDEX), use_index)
CONFIG = Kind("config.json", [to_json(SETTINGS).encode()], damaged_json(json.loads(to_json(SETTINGS))), use_settings)
STATUS_FILES = Kind("status.json", [*map(json_bytes, (STATUS, NOTE, TRIES, JUDGED))],
                    damaged_json(STATUS, NOTE, TRIES, JUDGED), use_status)  # fmt: skip
