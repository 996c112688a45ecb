"""The order of samples: a function of (seed, epoch), so that a resumed run needs no random state."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from litemono.data.batch import Key
from litemono.utils.errors import UserError

# What the random words of a (seed, epoch) are for.
ORDER, AUGMENTATION = 0, 1


def philox_words(count: int, seed: int, purpose: int, epoch: int, index: int = 0) -> np.ndarray:
    """(count,) uint64 random words, a function of the arguments: there is no state to save or to advance.

    Raw Philox words, because numpy keeps them, unlike its distributions, the same in all versions.
    """
    key = np.array([seed % 2**64, purpose], np.uint64)
    return np.random.Philox(key=key, counter=np.array([0, 0, epoch, index], np.uint64)).random_raw(count)


def uniform(count: int, seed: int, purpose: int, epoch: int, index: int) -> np.ndarray:
    """(count,) float64 in [0, 1), a function of the arguments; as many bits as float32 has, so never 1 there either."""
    return (philox_words(count, seed, purpose, epoch, index) >> np.uint64(40)) * 2.0**-24


def augmentation_numbers(count: int, seed: int, epoch: int, place: int, training: bool) -> np.ndarray:
    """(count,) float64 that a sample is augmented by: a function of (seed, epoch, place), so that resuming needs no random state.

    0.5 each where it is not for training.
    """
    return uniform(count, seed, AUGMENTATION, epoch, place) if training else np.full(count, 0.5)


class EpochBatches:
    """Batch sampler whose order is a function of (seed, epoch); yields lists of keys (epoch, index).

    Step s of an epoch takes samples [s * world_size * batch_size, ...) of the epoch's order, and each rank every
    world_size-th of them: N ranks with batch B see together what one rank with batch N * B sees.  Without drop_last
    the last step takes all that is left, up to one sample per rank above the batch size, so that every rank has the
    same number of steps and a sample in each.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
        drop_last: bool = True,
    ) -> None:
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.shuffle, self.drop_last = shuffle, drop_last
        self.epoch, self.sample = 0, 0
        if len(self) == 0:
            wanted = f"one batch of {batch_size} on" if drop_last else "one each on"
            raise UserError(
                f"{num_samples} samples are too few for {wanted} {world_size} processes: "
                "lower --batch_size or the number of processes, or give more data"
            )

    def __len__(self) -> int:
        """Steps in a whole epoch, the same on every rank and wherever `seek` points."""
        full, rest = divmod(self.num_samples, self.batch_size * self.world_size)
        return full + (not self.drop_last and rest >= self.world_size)

    def seek(self, epoch: int, sample: int = 0) -> None:
        """The next iteration begins at place `sample` (over all ranks) in the order of `epoch`.

        In samples, so that a run may continue with another batch size or number of ranks.
        """
        self.epoch, self.sample = epoch, sample

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, order, stride = self.epoch, self.order(self.epoch), self.batch_size * self.world_size
        last = self.num_samples - (stride if self.drop_last else self.world_size)
        for start in range(self.sample, last + 1, stride):
            takes_rest = not self.drop_last and start + stride > last
            together = order[start : None if takes_rest else start + stride]
            yield [(epoch, index) for index in together[self.rank :: self.world_size].tolist()]

    def order(self, epoch: int) -> np.ndarray:
        """(num_samples,) indices in the order of an epoch."""
        if not self.shuffle:
            return np.arange(self.num_samples)
        return np.argsort(philox_words(self.num_samples, self.seed, ORDER, epoch), kind="stable")
