"""Scores the images of a set on threads, each of which holds one image in memory."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from litemono.utils.errors import UserError
from litemono.utils.parallel import ordered_map
from litemono.utils.progress import track

from ..keys import Key, video_of
from ..protocol import DataSet, Protocol
from .alignment import NO_PIXELS, BadPrediction, Fit, Moments, PredictionKind, solve, video_moments
from .direction import JUDGED, rank_correlation
from .distribution import Distribution
from .metrics import NAMES, Table
from .one_image import ImageScore, counted_pixels, score_counted
from .placing import Place, Placed, of_whole_image

Result = TypeVar("Result")


@dataclass(frozen=True)
class Truth:
    """Ground truth of the images to evaluate."""

    path: Path
    names: Sequence[str]
    keys: Sequence[Key]
    data: DataSet | None
    """The data set whose layout the folder has; None for files and plain folders."""
    read: Callable[[int], np.ndarray]
    """(H, W) float32 metres, 0 where nothing was measured."""

    def __len__(self) -> int:
        return len(self.names)


class Job(NamedTuple):
    """One prediction to score."""

    truth: int
    """Index of its ground truth."""
    label: str
    """Its name in messages."""
    read: Callable[[], np.ndarray]
    hint: str = ""
    """Why it may be bad."""


class Predictions(NamedTuple):
    """All predictions of a set."""

    jobs: Callable[..., Iterable[Job]]
    """jobs() in the order of the ground truth; jobs(indices) those of some of it. Per-video alignment iterates over them two
    times, a report over a few of them."""
    total: int
    kind: PredictionKind
    place: Place = of_whole_image
    path: Path | None = None
    """Where another program's predictions are; None for a network."""
    image: Callable[[int], np.ndarray] | None = None
    """(h, w, 3) uint8 RGB that a prediction was made for, by the index of its ground truth; None where that is not known."""


class Scored(NamedTuple):
    """One image: its score (None where no pixel counts), and what warnings about the set are made of."""

    truth: int
    score: ImageScore | None
    size: tuple[int, int]
    """Height and width of the prediction before it is placed and resized."""
    pasted: bool
    correlation: float | None = None
    """With the true depth; of the first images of another program."""


class Scores:
    """The scores of a set so far: a row of numbers for each image."""

    def __init__(self, scored: Iterable[Scored] = ()) -> None:
        self.counted, self.skipped = array("q"), array("q")
        """Indices of the ground truth with and without a pixel that counts."""
        self.pasted = self.negative_slopes = 0
        self.size = (0, 0)
        self.correlations: list[float] = []
        self.distribution = Distribution()
        self._values, self._pixels, self._fits = array("d"), array("d"), array("d")
        for image in scored:
            self.add(image)

    def add(self, image: Scored) -> None:
        self.size = image.size
        self.pasted += image.pasted
        if image.correlation is not None:
            self.correlations.append(image.correlation)
        score = image.score
        if score is None:
            self.skipped.append(image.truth)
            return
        self.counted.append(image.truth)
        self._values.extend(score.metrics[name] for name in NAMES)
        self._pixels.append(score.pixels)
        self._fits.extend(score.fit or (math.nan, math.nan))
        self.distribution.add(score.distribution)
        self.negative_slopes += bool(score.ratio is not None and score.ratio < 0)

    def fit(self, row: int) -> Fit | None:
        """How the image of this row of the table was aligned."""
        scale, shift = self._fits[2 * row : 2 * row + 2]
        return None if math.isnan(scale) else Fit(scale, shift)

    @property
    def ratios(self) -> np.ndarray:
        """The scales of the alignment, of images that were aligned."""
        scales = _view(self._fits)[::2]
        return scales[~np.isnan(scales)]

    def table(self) -> Table:
        """A view, not a copy: nothing can be added while it is in use."""
        return Table(_view(self._values).reshape(-1, len(NAMES)), _view(self._pixels))


def _view(numbers: array[float]) -> np.ndarray:
    return np.frombuffer(numbers, np.float64) if numbers else np.empty(0)


def score_all(predictions: Predictions, truth: Truth, protocol: Protocol, num_workers: int) -> Iterator[Scored]:
    """The score of each image in order. Raises UserError, naming the prediction, where one cannot be scored."""
    with ThreadPoolExecutor(num_workers) as threads:
        fits: dict[str, Fit] = {}
        if protocol.alignment == "per_video":
            fits = _video_fits(predictions, truth, protocol, threads, num_workers)

        def score(job: Job) -> Scored:
            return score_job(job, predictions, truth, protocol, fits)

        results = ordered_map(threads, score, predictions.jobs(), ahead=2 * num_workers)
        yield from track(results, predictions.total, "images")


def score_job(job: Job, predictions: Predictions, truth: Truth, protocol: Protocol, fits: dict[str, Fit]) -> Scored:
    """The score of one image. Raises UserError, naming the prediction, where it cannot be scored."""
    return _named(job, lambda: _score(job, predictions, truth, protocol, fits))


def _score(job: Job, predictions: Predictions, truth: Truth, protocol: Protocol, fits: dict[str, Fit]) -> Scored:
    placed, size = _pair(job, predictions, truth)
    counted = counted_pixels(placed.truth, placed.prediction, protocol, predictions.kind)
    if counted is None:
        return Scored(job.truth, None, size, placed.pasted)
    judged = predictions.path is not None and job.truth < JUDGED
    correlation = rank_correlation(counted.truth, counted.prediction) if judged else None
    fit = fits.get(video_of(truth.keys[job.truth]))
    return Scored(job.truth, score_counted(counted, protocol, predictions.kind, fit), size, placed.pasted, correlation)


def _pair(job: Job, predictions: Predictions, truth: Truth) -> tuple[Placed, tuple[int, int]]:
    """Prediction and truth of one image; height and width of the prediction before it is placed."""
    prediction = job.read()
    prediction = prediction.astype(np.promote_types(prediction.dtype, "f4"), copy=False)
    return predictions.place(prediction, truth.read(job.truth)), (prediction.shape[0], prediction.shape[1])


def _video_fits(
    predictions: Predictions, truth: Truth, protocol: Protocol, threads: ThreadPoolExecutor, num_workers: int
) -> dict[str, Fit]:
    """One fit for each video, from the sums of its images."""

    def sums(job: Job) -> tuple[str, Moments]:
        return video_of(truth.keys[job.truth]), _named(job, lambda: _sums(job))

    def _sums(job: Job) -> Moments:
        placed, _ = _pair(job, predictions, truth)
        counted = counted_pixels(placed.truth, placed.prediction, protocol, predictions.kind)
        return NO_PIXELS if counted is None else video_moments(counted.prediction, counted.truth, predictions.kind)

    total: dict[str, Moments] = defaultdict(lambda: NO_PIXELS)
    results = ordered_map(threads, sums, predictions.jobs(), ahead=2 * num_workers)
    for video, part in track(results, predictions.total, "images (alignment)"):
        total[video] = total[video].plus(part)
    return {video: solve(part) for video, part in total.items() if part.n}


def _named(job: Job, work: Callable[[], Result]) -> Result:
    try:
        return work()
    except BadPrediction as error:
        raise UserError(f"{job.label}: {error}{job.hint}") from None
