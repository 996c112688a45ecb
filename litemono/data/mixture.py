"""The order of samples where several data sets are mixed: how much of a batch is of which, and how long an epoch is.

The epoch is a row of places. Which data set a place is of depends on the weights alone, so a run continues at any place with
any batch size, number of processes and of threads. The n-th place of a data set takes the n-th sample of its own shuffled
order; a data set that ends before the epoch does begins again in a new order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from litemono.data.batch import Key
from litemono.data.mix_flag import parse_mix
from litemono.data.sampler import ORDER, philox_words
from litemono.utils.errors import UserError


class MixedBatches:
    """Batch sampler over data sets; yields lists of keys (epoch, place in their joint list).

    A place beyond the joint list is a sample that the epoch has had before (MixedSamples.batch).
    """

    def __init__(
        self, sizes: Sequence[int], mix: str, batch_size: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        """sizes: samples of each data set; batch_size: of one process.

        Sets `samples`, the places of an epoch over all processes; what no whole batch is left for is not used.
        """
        self.sizes, self.seed = list(sizes), seed
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size
        self.epoch, self.sample = 0, 0
        together = batch_size * world_size
        weights = parse_mix(mix, len(sizes))
        if weights is None:
            self.pattern = np.repeat(np.arange(len(sizes)), together)  # a batch of each in turn
            rounds = max(size // together for size in sizes)
            # The published loop notices that a loader has ended when it asks for one batch more.
            self.samples = (rounds + 1) * len(sizes) * together if rounds else 0
        else:
            self.pattern = spread(weights)
            full = max(size / weight for size, weight in zip(sizes, weights, strict=True))
            self.samples = int(full * sum(weights))
        if self.samples < together:
            raise UserError(
                f"{' + '.join(map(str, sizes))} samples are too few for one batch of {batch_size} on {world_size} processes: "
                "lower --batch_size or the number of processes, or give more data"
            )

    def __len__(self) -> int:
        """Steps in a whole epoch, the same on every rank and wherever `seek` points."""
        return self.samples // (self.batch_size * self.world_size)

    def seek(self, epoch: int, sample: int = 0) -> None:
        """The next iteration begins at place `sample` (over all processes) of `epoch`."""
        self.epoch, self.sample = epoch, sample

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, together = self.epoch, self.batch_size * self.world_size
        keys = self.order(epoch)
        for start in range(self.sample, self.samples - together + 1, together):
            first = start + self.rank * self.batch_size
            yield [(epoch, place) for place in keys[first : first + self.batch_size].tolist()]

    def sources(self) -> np.ndarray:
        """(samples,) the data set of each place of an epoch."""
        return np.resize(self.pattern, self.samples)

    def order(self, epoch: int) -> np.ndarray:
        """(samples,) places in the joint list, plus its length for each earlier pass over the data set."""
        sources, keys = self.sources(), np.empty(self.samples, np.int64)
        start, total = 0, sum(self.sizes)
        for source, size in enumerate(self.sizes):
            mine = np.flatnonzero(sources == source)
            passes = -(-len(mine) // size)
            orders = [start + total * n + self._shuffled(epoch, source, n) for n in range(passes)]
            keys[mine] = np.concatenate([*orders, np.empty(0, np.int64)])[: len(mine)]
            start += size
        return keys

    def _shuffled(self, epoch: int, source: int, nth: int) -> np.ndarray:
        """(size,) order of a data set in its nth pass of an epoch."""
        words = philox_words(self.sizes[source], self.seed, ORDER, epoch, source + len(self.sizes) * nth)
        return np.argsort(words, kind="stable")

    def described(self, names: Sequence[str]) -> str:
        """For the log: steps of an epoch, and what each data set gives to it."""
        counts = np.bincount(self.sources(), minlength=len(self.sizes))
        parts = (
            f"{name} {count} ({count / size:.2g} times its {size})"
            for name, count, size in zip(names, counts, self.sizes, strict=True)
        )
        return f"an epoch has {len(self)} steps of {self.batch_size * self.world_size} samples: {', '.join(parts)}"


def spread(weights: Sequence[int]) -> np.ndarray:
    """(sum of weights,) data sets in turns, each as evenly as its weight allows: (2, 1) gives 0 1 0.

    Any run of places then has the share of each data set to within one.
    """
    total, credit, row = sum(weights), np.zeros(len(weights), np.int64), []
    for _ in range(total):
        credit += weights
        row.append(int(credit.argmax()))
        credit[row[-1]] -= total
    return np.array(row)
