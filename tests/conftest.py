"""Fixtures for data that lives beside the checkout, and small helpers for running commands as a user would."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is imported: test processes share the cores

import torch

ROOT = Path(__file__).resolve().parent.parent
TEST_DEVICE = torch.device(os.environ["LITEMONO_TEST_DEVICE"]) if "LITEMONO_TEST_DEVICE" in os.environ else None
"""Where tests of recorded numbers compute, if set: `python -m benchmarks.gpu` runs them on its card."""
SHARED = Path(os.environ.get("LITEMONO_SHARED", ROOT.parent / "shared"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With several workers (`pytest -n 2`) a file stays in one of them, and so do all Slurm tests: there is one cluster.

    What a file's tests share is then made once, and one worker computes while the other waits for Slurm.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.split("::")[0]
            return "slurm" if path.startswith("tests/slurm/") else path

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The Slurm tests come first: they take the longest."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/slurm/"))


def beside_checkout(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"../shared/{name} is not there (set LITEMONO_SHARED to the folder that has it)")
    return folder


@pytest.fixture(scope="session")
def parity() -> Path:
    """Golden numbers of the published implementation."""
    return beside_checkout("parity")


@pytest.fixture(scope="session")
def loss_primitives(parity: Path) -> dict[str, np.ndarray]:
    """What the published implementation gives for SSIM, photometric error and smoothness."""
    with np.load(parity / "loss_primitives.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def parity_supervised() -> Path:
    """Golden numbers of published supervised systems: losses, alignments, metrics, predictions in files."""
    return beside_checkout("parity_supervised")


@pytest.fixture(scope="session")
def parity_networks() -> Path:
    """Golden numbers of published supervised networks."""
    return beside_checkout("parity_networks")


@pytest.fixture(scope="session")
def kitti_sample() -> Path:
    """40 frames of a real KITTI drive."""
    return beside_checkout("kitti_sample")


@pytest.fixture
def command():
    """Run `python -m MODULE ARGS...` from the checkout; returns the finished process with its text."""

    def run(module: str, *args: object, cwd: Path = ROOT, env: dict[str, str] | None = None, timeout: float = 600):
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, args)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@contextlib.contextmanager
def torch_threads(count: int):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def one_thread():
    """Images this small are slower on more."""
    with torch_threads(1):
        yield


@pytest.fixture(scope="session")
def street(tmp_path_factory) -> Path:
    """A data folder with a drive of ten frames on both cameras, and its split."""
    from drives import DRIVE, write_drive

    root = write_drive(tmp_path_factory.mktemp("street"), range(10), sides="lr")
    for which, frames in (("train", range(1, 9)), ("val", range(4, 7))):
        (root / f"{which}_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in frames))
    return root


@pytest.fixture(scope="session")
def uninterrupted(street, tmp_path_factory) -> Path:
    """The run folder of a training of `street` from its begin to its end. Read only."""
    from trainings import settings

    from litemono.train import train

    config = settings(street, tmp_path_factory.mktemp("runs"))
    with torch_threads(1):
        assert train(config) == 0
    return config.folder
