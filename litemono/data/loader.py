"""From data set to batches: the order of samples, and the processes that read them."""

from __future__ import annotations

import atexit
import signal
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from litemono.errors import UserError

if TYPE_CHECKING:
    from litemono.data.triplets import Batch


# What the random words of a (seed, epoch) are for.
ORDER, AUGMENTATION = 0, 1


def philox_words(count: int, seed: int, purpose: int, epoch: int, index: int = 0) -> np.ndarray:
    """(count,) uint64 random words, a function of the arguments: there is no state to save or to advance.

    Raw Philox words, because numpy keeps them, unlike its distributions, the same in all versions.
    """
    key = np.array([seed % 2**64, purpose], np.uint64)
    return np.random.Philox(key=key, counter=np.array([0, 0, epoch, index], np.uint64)).random_raw(count)


class EpochBatches(Sampler):
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

        In samples, so that a run may go on with another batch size or number of ranks.
        """
        self.epoch, self.sample = epoch, sample

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
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


def loader_died(error: RuntimeError) -> UserError:
    return UserError(
        f"a loader process died ({error}); usual reasons are too little memory (--num_workers 1, or more --mem for the "
        "job) or a small /dev/shm (--num_workers 0)"
    )


class Loader(DataLoader):
    """DataLoader of `Batch`es in which a UserError of a loader process arrives as itself."""

    def __iter__(self) -> Iterator[Batch]:
        try:
            for batch in super().__iter__():
                if isinstance(batch, UserError):
                    raise batch
                yield batch
        except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
            if not self._tells_of_a_dead_process(error):
                raise
            raise loader_died(error) from error

    def close(self) -> None:
        """End the loader processes; the next iteration starts new ones."""
        iterator, self._iterator = self._iterator, None
        if hasattr(iterator, "_shutdown_workers"):  # torch has no public name for it
            iterator._shutdown_workers()


class _Guarded(Dataset):
    """Returns a UserError instead of raising it: torch would wrap it in a worker's traceback."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> Batch | UserError:
        try:
            return self.dataset[key]
        except UserError as error:
            return error


def _collate(samples: list[Batch | UserError]) -> Batch | UserError:
    error = next((sample for sample in samples if isinstance(sample, UserError)), None)
    return error if error is not None else default_collate(samples)


def _ignore_signals(worker: int) -> None:
    """Slurm and Ctrl-C signal every process of a job; the main process decides when the loaders end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


_open_loaders: weakref.WeakSet[Loader] = weakref.WeakSet()


@atexit.register
def _close_loaders() -> None:
    """Runs before multiprocessing's own exit hook, which would wait for ever for children that ignore SIGTERM."""
    for loader in list(_open_loaders):
        loader.close()


def make_loader(dataset: Dataset, batches: EpochBatches, num_workers: int, device: torch.device | str) -> Loader:
    """Batches of `dataset` in the order of `batches`, in pinned memory for a CUDA device."""
    loader = Loader(
        _Guarded(dataset),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=_collate,
        pin_memory=torch.device(device).type == "cuda",
        persistent_workers=num_workers > 0,
        worker_init_fn=_ignore_signals,
        generator=torch.Generator(),  # its own: starting an iteration must not advance the training's random state
    )
    _open_loaders.add(loader)
    return loader
