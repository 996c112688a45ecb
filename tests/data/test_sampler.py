"""The order of samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemono.data.sampler import EpochBatches
from litemono.utils.errors import UserError


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
