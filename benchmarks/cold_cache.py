"""Reading packed triplets from the page cache, and from the disk after the cache was dropped."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from litemono.data.stores import packed_index
from litemono.data.stores.packed import PackedStore


def drop_from_cache(path: Path) -> None:
    """What the file has in the page cache, once it is on the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm_and_cold(store: PackedStore, drive: str, frames: list[int], samples: int) -> dict[str, float]:
    """Milliseconds by the clock for a sample of three frames, in random order, each frame read once.

    "cold" equals "warm" where the pack is in memory anyway (a temporary folder without a disk).
    """
    path = packed_index.frames_file(store.root, store.dataset, drive, "l")
    planes = np.empty((3, store.height, store.width), np.uint8)
    order = np.random.default_rng(0).permutation(len(frames) // 3)[:samples]

    def read_all() -> float:
        start = time.perf_counter()
        for index in order:
            for offset in range(3):
                store.read_planes(drive, frames[3 * index + offset], "l", planes)
        return 1000 * (time.perf_counter() - start) / len(order)

    read_all()
    warm = read_all()
    drop_from_cache(path)
    return {"warm": warm, "cold": read_all()}
