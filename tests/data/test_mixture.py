"""Mixed data sets: shares of a batch, length of an epoch, and the same order wherever a run continues."""

from __future__ import annotations

import json
from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemono.data.mixture import MixedBatches, spread
from litemono.utils.errors import UserError


def sources(batches: MixedBatches) -> list[list[int]]:
    """The data set of each sample, batch by batch."""
    total = sum(batches.sizes)
    starts = np.cumsum(batches.sizes)
    return [[int(np.searchsorted(starts, place % total, "right")) for _, place in keys] for keys in batches]


@pytest.mark.parametrize(("mix", "share"), [("2,1", [4, 2]), ("equal", [3, 3]), ("1,5", [1, 5])])
def test_every_batch_has_the_share_of_each_data_set(mix, share):
    batches = MixedBatches([10, 24], mix, batch_size=6, seed=0)
    assert all([batch.count(0), batch.count(1)] == share for batch in sources(batches))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 60), st.integers(1, 40))
def test_any_run_of_places_has_each_share_to_within_one(weights, start, count):
    row = np.resize(spread(weights), start + count)[start:]
    for source, weight in enumerate(weights):
        assert abs((row == source).sum() - count * weight / sum(weights)) < 2


def test_an_epoch_ends_when_the_last_data_set_was_seen_once_and_shorter_ones_begin_again_shuffled_anew():
    batches = MixedBatches([4, 12], "equal", batch_size=4, seed=3)
    places = [place for keys in batches for _, place in keys]
    assert sorted(place for place in places if place % 16 >= 4) == list(range(4, 16))
    small = [place for place in places if place % 16 < 4]
    assert [sorted(place % 16 for place in small[n : n + 4]) for n in (0, 4, 8)] == [[0, 1, 2, 3]] * 3
    assert len(set(small)) == 12, "each repeat has a place of its own, and so augmentation of its own"
    assert "kitti 12 (3 times its 4), redweb 12 (1 times its 12)" in batches.described(["kitti", "redweb"])


@pytest.mark.parametrize("mix", ["2,1", "equal", "round-robin"])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_continues_at_any_step_with_the_same_samples(mix, processes):
    def steps(first: int) -> list[list[tuple[int, int]]]:
        ranks = [MixedBatches([7, 18], mix, 4 // processes, 1, rank, processes) for rank in range(processes)]
        for rank in ranks:
            rank.seek(2, 4 * first)
        return [sum(keys, []) for keys in zip(*ranks, strict=True)]

    whole = MixedBatches([7, 18], mix, 4, 1)
    whole.seek(2)
    for first in (0, 1, 3):
        assert steps(first) == list(whole)[first:]


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(epoch: int, seed: int) -> list[int]:
        return MixedBatches([50, 50], "equal", 10, seed).order(epoch).tolist()

    assert order(0, 0) == order(0, 0) and order(0, 0) != order(1, 0) and order(0, 0) != order(0, 1)


def unshuffled(sizes: list[int], epoch: int, source: int, nth: int) -> np.ndarray:
    return np.arange(sizes[source])


def test_round_robin_takes_the_data_sets_in_the_published_order(parity_supervised, monkeypatch):
    """Letters stand for batches; the published loop has them unshuffled."""
    for sets, expected in json.loads((parity_supervised / "arithmetic.json").read_text())["round_robin"].items():
        loaders = sets.split()
        batches = MixedBatches([len(letters) for letters in loaders], "round-robin", 1, seed=0)
        monkeypatch.setattr(batches, "_shuffled", partial(unshuffled, batches.sizes))
        names = "".join(loaders)
        assert "".join(names[keys[0][1] % len(names)] for keys in batches) == expected


@pytest.mark.parametrize(
    ("mix", "says"),
    [
        ("2", "1 numbers for 2 data sets"),
        ("2,x", "whole numbers"),
        ("0,1", "whole numbers"),
        ("pareto", "the gradient of each data set by itself.*--mix equal"),
    ],
)
def test_a_mix_that_is_none_is_refused(mix, says):
    with pytest.raises(UserError, match=says):
        MixedBatches([10, 10], mix, 2, 0)


def test_too_few_samples_for_a_batch_are_refused():
    with pytest.raises(UserError, match="lower --batch_size"):
        MixedBatches([2, 3], "equal", 8, 0)
    assert len(list(islice(MixedBatches([2, 3], "equal", 6, 0), 9))) == 1
