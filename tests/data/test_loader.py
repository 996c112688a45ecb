"""The threads that read samples."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from drives import DRIVE, dataset_at, same, write_drive

from litemono.data import loader
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.loader import Loader
from litemono.data.sampler import EpochBatches
from litemono.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_loader_threads_give_the_same_batches_as_none(tmp_path):
    data = dataset_at(write_drive(tmp_path, range(12)), range(1, 11))
    expected = None
    for workers in (0, 2):
        batches = EpochBatches(len(data), 3, seed=1)
        loader = Loader(data, batches, workers, "cpu")
        seen = []
        for epoch, step in ((0, 0), (1, 0), (1, 2)):
            batches.seek(epoch, step * 3)
            seen += list(loader)
        assert len(seen) == 3 + 3 + 1
        assert same(seen[5], seen[6]), "seeking to step 2 gives the batch that step 2 gave"
        expected = expected or seen
        assert all(same(a, b) for a, b in zip(seen, expected, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_reading_leaves_the_random_state_of_the_training_alone(tmp_path, workers):
    data = dataset_at(write_drive(tmp_path, range(4)), range(1, 3))
    loader = Loader(data, EpochBatches(2, 2, seed=1), workers, "cpu")
    before = torch.get_rng_state()
    list(loader)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_frame_in_a_loader_thread_is_one_plain_sentence(tmp_path, workers):
    data = dataset_at(write_drive(tmp_path, range(5)), range(1, 4))
    path = KITTI_RAW.frame_path(tmp_path, DRIVE, 2, "l", ".png")
    path.write_bytes(path.read_bytes()[:200])
    loader = Loader(data, EpochBatches(3, 1, seed=0), workers, "cpu")
    with pytest.raises(UserError) as caught:
        list(loader)
    assert str(caught.value).startswith(f"{path}: not a complete image") and "Traceback" not in str(caught.value)


def test_the_rest_of_an_epoch_is_not_read_when_a_training_stops(tmp_path):
    data = dataset_at(write_drive(tmp_path, range(12)), range(1, 11))
    read = []
    data.batch = read.append
    batches = iter(Loader(data, EpochBatches(10, 1, seed=0), 1, "cpu"))
    next(batches)
    batches.close()
    assert len(read) <= 1 + 2


def test_one_sample_is_an_entry_of_its_batch(tmp_path):
    data = dataset_at(write_drive(tmp_path, range(6)), range(1, 5))
    batch = data.batch([(3, 2), (3, 0)])
    assert same([tensor[1] for tensor in batch], data[3, 0])


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from drives import dataset_at
from litemono.data.loader import Loader
from litemono.data.sampler import EpochBatches

keep = iter(Loader(dataset_at(Path({root!r}), range(1, 11)), EpochBatches(10, 1, seed=0), 2, "cpu"))
next(keep)
{end}
"""


@pytest.mark.parametrize("end, status", [("raise SystemExit(3)", 3), ("raise KeyError('bug')", 1), ("pass", 0)])
def test_a_program_may_end_within_an_epoch(tmp_path, end, status):
    script = SCRIPT.format(tests=str(ROOT / "tests"), root=str(write_drive(tmp_path, range(12))), end=end)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env=environment, cwd=ROOT
    )
    assert result.returncode == status, result.stderr


class RecordingStreams:
    """Stands for torch.cuda's streams and events, and writes down who asked what of whom."""

    def __init__(self) -> None:
        self.log: list[tuple] = []
        self.active = "compute"

    def Stream(self, device):  # noqa: N802 - torch's name
        return StandInStream(self, "copy")

    def current_stream(self, device):
        return StandInStream(self, self.active)

    @contextlib.contextmanager
    def stream(self, stream):
        before, self.active = self.active, stream.name
        yield
        self.active = before


class StandInStream(NamedTuple):
    streams: RecordingStreams
    name: str

    def record_event(self):
        number = sum(entry[0] == "recorded" for entry in self.streams.log)
        self.streams.log.append(("recorded", self.name, number))
        return number

    def wait_event(self, event):
        self.streams.log.append(("waits", self.name, event))


class StandInBatch:
    is_cuda = True

    def __init__(self, streams, number):
        self.streams, self.number = streams, number

    def __iter__(self):  # over its tensors
        yield self

    def on(self, device):
        self.streams.log.append(("sent", self.streams.active, self.number))
        return self

    def record_stream(self, stream):
        self.streams.log.append(("in use by", stream.name, self.number))


def test_the_next_batch_is_sent_while_the_current_one_is_used(monkeypatch):
    """Without a GPU, only what would be asked of it can be seen: order of copies, waits and memory kept."""
    streams = RecordingStreams()
    for name in ("Stream", "stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, getattr(streams, name))
    seen = []
    gpu = torch.device("cuda")
    for batch in loader.sent_ahead((StandInBatch(streams, i) for i in range(3)), gpu, torch.cuda.Stream(gpu)):
        streams.log.append(("used", "compute", batch.number))
        seen.append(batch.number)
    assert seen == [0, 1, 2]
    log = streams.log
    for i in range(3):
        story = (
            ("sent", "copy"),
            ("recorded", "copy"),
            ("waits", "compute"),
            ("in use by", "compute"),
            ("used", "compute"),
        )
        moments = [log.index((*moment, i)) for moment in story]
        assert moments == sorted(moments)
    assert log.index(("sent", "copy", 1)) < log.index(("used", "compute", 0))
    assert log.index(("sent", "copy", 2)) < log.index(("used", "compute", 1))
    assert log.index(("sent", "copy", 2)) > log.index(("used", "compute", 0)), "one ahead, not the whole epoch"
