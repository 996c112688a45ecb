"""The order of samples, and the threads that read them."""

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
from hypothesis import given
from hypothesis import strategies as st

from litemono.data import loader
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.loader import Loader
from litemono.data.sampler import EpochBatches
from litemono.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


# ---------------------------------------------------------------- order of samples


@given(st.integers(1, 200), st.integers(1, 7), st.integers(1, 5), st.integers(0, 9))
def test_n_ranks_with_batch_b_see_what_one_rank_with_batch_n_b_sees(samples, batch, world, epoch):
    if samples < batch * world:
        return
    ranks = [EpochBatches(samples, batch, 1, rank, world) for rank in range(world)]
    whole = EpochBatches(samples, batch * world, 1)
    for sampler in (*ranks, whole):
        sampler.seek(epoch)
    steps = list(whole)
    assert len(steps) == len(whole) == len(ranks[0]) == samples // (batch * world)
    for together, *parts in zip(steps, *ranks, strict=True):
        assert sorted(together) == sorted(key for part in parts for key in part)
        assert {len(part) for part in parts} == {batch}
    assert len({index for step in steps for _, index in step}) == len(steps) * batch * world


@given(st.integers(1, 200), st.integers(1, 7), st.integers(1, 5))
def test_validation_sees_every_sample_once_in_as_many_steps_on_every_rank(samples, batch, world):
    if samples < world:
        return
    ranks = [EpochBatches(samples, batch, 1, rank, world, shuffle=False, drop_last=False) for rank in range(world)]
    parts = [list(rank) for rank in ranks]
    assert sorted(index for part in parts for step in part for _, index in step) == list(range(samples))
    assert {len(part) for part in parts} == {len(rank) for rank in ranks} and len(parts[0]) == len(ranks[0])
    assert all(1 <= len(step) <= batch + 1 for part in parts for step in part)


def test_seeking_continues_the_same_epoch_and_each_epoch_has_its_own_order():
    batches = EpochBatches(50, 4, seed=3)
    batches.seek(2)
    whole = list(batches)
    batches.seek(2, 7 * 4)
    assert list(batches) == whole[7:]
    batches.seek(3)
    assert [[index for _, index in step] for step in batches] != [[index for _, index in step] for step in whole]
    assert {epoch for step in batches for epoch, _ in step} == {3}


def test_another_batch_size_goes_on_at_the_same_sample():
    batches = EpochBatches(50, 4, seed=3)
    flat = [key for step in batches for key in step]
    other = EpochBatches(50, 5, seed=3, world_size=2)
    other.seek(0, 12)
    assert sorted(key for key in next(iter(other))) == sorted(flat[12:22:2])
    assert len(list(other)) == (50 - 12) // 10


def test_one_process_validates_in_the_order_of_the_list():
    batches = EpochBatches(10, 4, seed=0, shuffle=False, drop_last=False)
    assert [[index for _, index in step] for step in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_too_few_samples_for_one_batch_are_refused():
    with pytest.raises(UserError, match="5 samples are too few for one batch of 3 on 2 processes: lower --batch_size"):
        EpochBatches(5, 3, seed=0, world_size=2)
    with pytest.raises(UserError, match="3 samples are too few for one each on 4 processes"):
        EpochBatches(3, 3, seed=0, world_size=4, drop_last=False)


# ---------------------------------------------------------------- loader


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


class StandInBatch(NamedTuple):
    streams: RecordingStreams
    number: int

    def on(self, device):
        self.streams.log.append(("sent", self.streams.active, self.number))
        return self

    @property
    def frames(self):
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
