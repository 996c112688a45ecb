"""Checkpoints that a thread writes: of the step at which they were begun, in order, with their errors heard."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading

import pytest
import torch
from conftest import ROOT
from tiny_kitti import assert_refused, invoke
from trainings import EPOCH_STEPS, EPOCHS, ONE_THREAD, flags

from litemono.engine import checkpoint, checkpoint_paths
from litemono.engine.checkpoint_writer import CheckpointWriter
from litemono.train import main
from litemono.utils.cli import HUNG
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")


class Gate:
    """Writes wait until it is open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, write = threading.Event(), checkpoint.write_atomically
        monkeypatch.setattr(checkpoint, "write_atomically", lambda *args: self.open.wait(20) and write(*args))


@pytest.fixture
def writer(tmp_path):
    started = CheckpointWriter(tmp_path, keep=3)
    yield started
    started.close()


def written(folder) -> list[int]:
    return [int(path.stem.split("_")[1]) for path in checkpoint_paths.checkpoints(folder)]


def test_what_is_written_is_the_state_of_the_step_whatever_later_steps_change(writer, tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), 0.1)

    def step() -> None:
        network(torch.rand(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()

    step()
    for number in (1, 2):  # the second into the buffers of the first
        state = {"networks": network.state_dict(), "optimizers": [optimizer.state_dict()], "progress": {"step": number}}
        expected = checkpoint.load(checkpoint.save(tmp_path / "at_once", number, state, keep=3))
        with monkeypatch.context() as patch:
            gate = Gate(patch)
            writer.write(number, state)
            step()
            assert not torch.equal(network[0].weight, expected["networks"]["0.weight"])
            gate.open.set()
            writer.wait()
        found = checkpoint.load(checkpoint_paths.checkpoint_path(tmp_path, number))
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
        weight = found["networks"]["0.weight"]
        assert (
            weight.stride() == network[0].weight.stride()
            and found["networks"]._metadata == network.state_dict()._metadata
        )


def test_a_second_write_waits_for_the_first(writer, tmp_path, monkeypatch):
    gate = Gate(monkeypatch)
    writer.write(1, {"step": 1})
    writer.raise_failure()
    second = threading.Thread(target=writer.write, args=(2, {"step": 2}), daemon=True)
    second.start()
    second.join(0.2)
    assert second.is_alive() and not written(tmp_path)
    gate.open.set()
    second.join(60)
    assert not second.is_alive() and written(tmp_path)[0] == 1
    writer.wait()
    assert written(tmp_path) == [1, 2]


@pytest.mark.parametrize(("reason", "raised"), [(errno.ENOSPC, UserError), (errno.ESTALE, OSError)])
@pytest.mark.parametrize("call", ["raise_failure", "wait", "write"])
def test_a_failed_write_is_raised_by_the_next_call_and_only_there(writer, tmp_path, monkeypatch, reason, raised, call):
    writer.write(1, {"step": 1})
    writer.wait()
    with monkeypatch.context() as patch:
        patch.setattr(
            "litemono.utils.atomic_files.os.replace", lambda *_: (_ for _ in ()).throw(OSError(reason, "why"))
        )
        writer.write(2, {"step": 2})
        writer.close()  # ends with the thread
    with pytest.raises(raised, match="why") as found:
        writer.write(3, {}) if call == "write" else getattr(writer, call)()
    assert found.type is raised and written(tmp_path) == [1]
    writer.wait()


def fail_from(step: int, monkeypatch, reason: int) -> None:
    """Checkpoints of `step` and later cannot be written."""
    write = checkpoint.write_atomically

    def failing(path, data):
        if any(f"step_{number:08d}" in str(path) for number in range(step, EPOCHS * EPOCH_STEPS + 1)):
            raise OSError(reason, os.strerror(reason), str(path))
        write(path, data)

    monkeypatch.setattr(checkpoint, "write_atomically", failing)


def test_a_disk_that_fills_up_in_the_middle_of_an_epoch_ends_the_run_with_one_sentence(
    street, tmp_path, capsys, monkeypatch
):
    arguments = flags(street, tmp_path)
    with monkeypatch.context() as patch:
        fail_from(2, patch, errno.ENOSPC)
        outcome = invoke(main, capsys, *arguments)
    assert_refused(outcome, "step_00000002.pt", "No space left on device", "free some space")
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("failed", True, 2) and status["step"] < EPOCH_STEPS
    assert written(tmp_path / "run/checkpoints") == [1]
    assert invoke(main, capsys, *arguments, "--max_steps", 2).code == 0
    assert written(tmp_path / "run/checkpoints") == [1, 2]


def test_a_stale_handle_ends_the_run_so_that_it_is_requeued(street, tmp_path, capsys, monkeypatch):
    fail_from(2, monkeypatch, errno.ESTALE)
    with pytest.raises(OSError, match="Stale file handle"):
        main_of(flags(street, tmp_path))
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("failed", False, 1)


def main_of(arguments: list[str]) -> None:
    argv, sys.argv = sys.argv, ["litemono.train", *arguments]
    try:
        main()
    finally:
        sys.argv = argv


HASTY = """
import sys
from litemono.engine import watchdog
watchdog.MORE_SECONDS_GIVEN = 2.0
from litemono.train import main
main()
"""


def test_a_write_that_never_returns_at_the_end_is_a_hang(street, tmp_path):
    """The last checkpoint's place is a pipe that is not read, as on a file server that no longer answers."""
    folder = tmp_path / "run/checkpoints"
    folder.mkdir(parents=True)
    os.mkfifo(folder / f"step_{EPOCHS * EPOCH_STEPS:08d}.pt.sha256")
    done = subprocess.run(
        [sys.executable, "-c", HASTY, *flags(street, tmp_path), "--hang_minutes", "0.05"],
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == HUNG, done.stderr
    assert "watchdog: hung: no step was finished" in done.stderr and "checkpoint_writer.py" in done.stderr
    assert json.loads((tmp_path / "run/status.json").read_text())["exit"] == HUNG
