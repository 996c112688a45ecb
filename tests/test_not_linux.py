"""Systems other than Linux: what they lack is taken away from Python, and the commands still start or say what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import processes
import pytest
from conftest import ROOT
from PIL import Image
from tiny_kitti import write_weights

from litemono.utils import parallel
from litemono.utils.errors import UserError

MACOS = """
import os
del os.sched_getaffinity, os.posix_fadvise
"""
WINDOWS = """
import os, signal, sys
for name in ("sched_getaffinity", "posix_fadvise", "preadv", "statvfs"):
    delattr(os, name)
for name in ("SIGUSR1", "SIGUSR2", "SIGKILL"):
    delattr(signal, name)
sys.modules["fcntl"] = None
"""
COMMANDS = (
    *(
        "litemono.train",
        "litemono.finetune",
        "litemono.prepare",
        "litemono.predict",
        "litemono.doctor",
        "litemono.status",
    ),
    *(
        "litemono.submit",
        "litemono.demo",
        "litemono.synthetic.writer",
        "litemono.engine.loop",
        "litemono.tasks.monodepth.task",
    ),
    *("evaluate.__main__", "evaluate.tables.__main__", "export_gt.__main__", "networks", "litemono.data.stores.packed"),
)


@pytest.fixture(params=["macos", "windows"])
def elsewhere(request, tmp_path):
    """Run Python as on another system."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake/sitecustomize.py").write_text({"macos": MACOS, "windows": WINDOWS}[request.param])
    path = os.pathsep.join([str(tmp_path / "fake"), str(ROOT)])

    def run(*arguments: object) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        return processes.run([sys.executable, *map(str, arguments)], env=environment, cwd=ROOT)

    run.name = request.param
    return run


def test_every_command_can_be_imported(elsewhere):
    done = elsewhere("-c", f"import importlib\nfor name in {COMMANDS}: importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


def test_depth_is_predicted(elsewhere, tmp_path):
    weights = write_weights(tmp_path / "weights")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    flags = ["--load_weights", weights, "--model", "lite-mono-tiny", "--input", tmp_path / "a.png", "--device", "cpu"]
    done = elsewhere("-m", "litemono.predict", *flags)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a_disp.jpeg").is_file()


def test_cores_are_counted_where_the_system_does_not_tell_which_may_be_used(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert parallel.available_cores() == 1


def test_packed_frames_name_the_way_out_where_they_cannot_be_read(monkeypatch, tmp_path):
    from litemono.data.datasets.kitti_raw import KITTI_RAW
    from litemono.data.stores.packed import PackedStore

    monkeypatch.delattr(os, "preadv")
    with pytest.raises(UserError, match="cannot be read on this system; give the folder of images"):
        PackedStore(KITTI_RAW, Path(tmp_path))
