"""What the pipeline needs of a store. Stores are read-only, and several threads read from them at the same time."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from litemono.data.datasets.base import Dataset
from litemono.data.fit import Fit


class FrameStore(Protocol):
    """Frames of a data set as they are stored."""

    root: Path  # calibration, scans, depth and masks lie below it in the data set's layout

    @property
    def lossy(self) -> str:
        """How frames were compressed, where that changed their pixels; else ""."""

    @property
    def dataset(self) -> Dataset: ...

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        """(h, w, 3) uint8 RGB, upright, at the size it is stored at."""

    def read_array(self, kind: str, folder: str, frame: int, side: str) -> np.ndarray:
        """(h, w) numbers of a depth or mask PNG that belongs to the frame: uint16 or uint8, as they are in the file.

        kind: a key of `dataset.pictures`. UserError where the data set has no such kind or the file is missing.
        """

    def has_array(self, kind: str, folder: str, frame: int, side: str) -> bool:
        """Whether the frame has a picture of this kind."""

    def array_path(self, kind: str, folder: str, frame: int, side: str) -> Path | None:
        """Its file; None where it is packed with the frame."""

    def array_place(self, kind: str, folder: str, frame: int, side: str) -> str:
        """Where it is, for messages."""

    def stated_factor(self, folder: str, frame: int, side: str) -> str | None:
        """Number for one metre of the frame's depth, where the file says it: see images.check_factor."""

    def stem(self, folder: str, frame: int, side: str) -> str:
        """Place of the frame's image below the root, without its suffix, with / between its parts."""

    def read_fitted(self, folder: str, frame: int, side: str, window: Fit, planes: np.ndarray) -> None:
        """Write the image, resized and cut as `window` says, into `planes`, (3, height, width) uint8."""

    def has(self, folder: str, frame: int, side: str) -> bool:
        """Whether the frame is there; cheap enough for every line of a split."""

    def look(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        """(height, width) of the original image, from its file's first bytes.

        UserError where the frame is absent or its file cannot be one: a link that leads nowhere, empty, no image.
        """

    def neighbour(self, folder: str, frame: int, offset: int) -> int:
        """The number of the frame that is `offset` frames after this one; it may not exist."""

    def native_size(self, folder: str, frame: int, side: str) -> tuple[int, int]:
        """(height, width) of the original image."""

    def missing(self, folder: str, frame: int, side: str) -> str:
        """For an absent frame: where it was looked for and, if the store can see that, what to change."""


class SizedStore(FrameStore, Protocol):
    """Frames at one size: resized as they are read, or packed so."""

    height: int
    width: int
    holds_originals: bool  # whether `read` decodes and resizes

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        """(height, width, 3) uint8 RGB, Lanczos-resized straight from the original size."""

    def read_planes(self, folder: str, frame: int, side: str, planes: np.ndarray) -> None:
        """Write the same pixels into `planes`, (3, height, width) uint8."""

    def read_original(self, folder: str, frame: int, side: str) -> np.ndarray:
        """(h, w, 3) uint8 RGB from which resample.resize makes what `read` gives; packed frames are that already."""
