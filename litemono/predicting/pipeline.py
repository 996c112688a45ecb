"""Reads, predicts and writes at the same time, on threads; the results keep the order of the frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from litemono.predicting.backends import Backend
from litemono.predicting.frames import Frame
from litemono.trained_depth import TrainedDepth, require_finite
from litemono.utils.errors import UserError
from litemono.utils.parallel import ordered_map


class Picture(NamedTuple):
    """One frame as input of the network."""

    frame: Frame
    size: tuple[int, int]
    """Height and width of the original."""
    pixels: np.ndarray
    """(H, W, 3) uint8 at the network's size."""
    original: Image.Image | None
    """At its own size; None where no output needs it."""


class Look(NamedTuple):
    """How a frame is shown with --smooth."""

    limits: tuple[float, float]
    """Disparities that are shown darkest and brightest."""
    state: list[Any]
    """To continue with the next frame."""


class Prediction(NamedTuple):
    """The network's output for a frame."""

    picture: Picture
    disparity: Tensor
    """(H, W) at the network's size."""
    look: Look | None = None


@dataclass(frozen=True)
class Broken:
    """A frame that cannot be read."""

    index: int
    error: UserError


class Pipeline:
    """Threads that read, predict and write."""

    def __init__(self, trained: TrainedDepth, backend: Backend, helpers: int, keep_originals: bool) -> None:
        """helpers: threads that read and write. keep_originals: results need the images at their own size."""
        self.trained, self.backend, self.helpers, self.keep_originals = trained, backend, helpers, keep_originals
        self._stack = ExitStack()

    def __enter__(self) -> Pipeline:
        plan = self.backend.plan
        start = self._stack.enter_context
        self.files: Executor = start(ThreadPoolExecutor(self.helpers, "files"))
        # torch keeps its number of threads for each thread that calls it
        limit = (torch.set_num_threads, (plan.threads,))
        self.network: Executor = start(ThreadPoolExecutor(plan.workers, "network", *limit))
        return self

    def __exit__(self, *error: object) -> None:
        self.files.shutdown(wait=False, cancel_futures=True)
        self.network.shutdown(wait=False, cancel_futures=True)
        self._stack.close()

    def predictions(self, frames: Iterable[Frame], broken: list[Broken]) -> Iterator[Prediction]:
        """Of the frames in their order; those that cannot be read are added to `broken`."""
        plan = self.backend.plan
        ahead = plan.batch * (plan.workers + 1) + self.helpers
        pictures = _readable(ordered_map(self.files, self._read, frames, ahead), broken)
        batches = iter(lambda: list(islice(pictures, plan.batch)), [])
        for batch, disparities in ordered_map(self.network, self._predict, batches, plan.workers + 1):
            yield from map(Prediction, batch, disparities)

    def _read(self, frame: Frame) -> Picture | Broken:
        try:
            image = frame.read()
        except UserError as error:
            return Broken(frame.index, error)
        original = image if self.keep_originals else None
        return Picture(frame, (image.height, image.width), self.trained.at_network_size(image), original)

    def _predict(self, batch: list[Picture]) -> tuple[list[Picture], Tensor]:
        return batch, self.backend.run(np.stack([picture.pixels for picture in batch]))


def _readable(pictures: Iterable[Picture | Broken], broken: list[Broken]) -> Iterator[Picture]:
    for picture in pictures:
        if isinstance(picture, Picture):
            yield picture
        else:
            broken.append(picture)


def finite(predictions: Iterable[Prediction], weights: object) -> Iterator[Prediction]:
    """Pass predictions on; UserError where the weights predict NaN or infinity."""
    for prediction in predictions:
        require_finite(prediction.disparity, weights)
        yield prediction
