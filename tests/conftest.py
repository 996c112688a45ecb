"""Fixtures for data that lives beside the checkout, and small helpers for running commands as a user would."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import numpy as np
import processes
import pytest

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # before torch is imported: test processes share the cores

import torch

# A shell lets what it starts in the background ignore Ctrl-C; commands that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
TEST_DEVICE = torch.device(os.environ["LITEMONO_TEST_DEVICE"]) if "LITEMONO_TEST_DEVICE" in os.environ else None
"""Where tests of recorded numbers compute, if set: `python -m benchmarks.gpu` runs them on its card."""
SHARED = Path(os.environ.get("LITEMONO_SHARED", ROOT.parent / "shared"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With several workers (`pytest -n 2`) a file stays in one of them: what its tests share is made once.

    So do all Slurm tests, because there is one cluster, and the benchmarks, which share the results of a session.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder, file = nodeid.split("::")[0].rsplit("/", 1)
            return folder if folder in ("tests/slurm", "tests/benchmarks") else f"{folder}/{file}"

    return ByFile(config, log)


LONGEST = (
    "tests/slurm/", "tests/benchmarks/", "tests/losses/test_compiled.py", "tests/test_demo.py", "tests/engine/",
    "tests/examples/", "tests/test_train", "tests/test_refine.py", "tests/test_finetune", "tests/test_docs.py",
    "tests/networks/test_library.py", "tests/tasks/",
)  # fmt: skip
"""Where the tests are that take longest, in the order of the longest file of each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that the workers end together."""

    def place(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def no_process_outlives_its_test():
    yield
    processes.end_all()


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
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(env or {})}
        return processes.run([sys.executable, "-m", module, *args], timeout, cwd=cwd, env=environment)

    return run


@pytest.fixture(scope="session")
def small_session(tmp_path_factory) -> Path:
    """The results of `python -m benchmarks.gpu --small` on the processor, stopped after two parts and continued. Read only."""
    out = tmp_path_factory.mktemp("session") / "out"
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--small", "--out", out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for more, passed_before in ((["--only", "resume", "data"], 0), ([], 2)):
        done = processes.run([*command, *more], 600, cwd=ROOT, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("passed before") == passed_before
    return out


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


@pytest.fixture(scope="session")
def zips(kitti_sample, tmp_path_factory) -> Path:
    """Frames 0 to 19 of the real drive, zipped as KITTI does. Read only."""
    from packing_helpers import zip_drive

    return zip_drive(kitti_sample, tmp_path_factory.mktemp("zips"), range(20)).parent


@pytest.fixture
def pack(capfd, tmp_path):
    """Runs `litemono.prepare pack` with the small split; see pack_command."""
    from packing_helpers import pack_command

    return pack_command(capfd, tmp_path)
