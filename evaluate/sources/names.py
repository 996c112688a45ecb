"""Which prediction belongs to which ground truth: by name, never by order.

A name becomes a key: its words and numbers without stop words (folders called depth or groundtruth, words such as pred).
KITTI's keys are (drive, frame, side), however a program joins them: DRIVE_FRAME.png, DATE/DRIVE/image_02/data/FRAME.png,
DRIVE/proj_depth/groundtruth/image_02/FRAME.png, "DATE/DRIVE FRAME l" in a split.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

from ..keys import DRIVE, Key
from .map_files import EXTENSIONS

NONE = -1  # no prediction

CAMERA = re.compile(r"image_0(\d)")
SIDES = {"2": "l", "3": "r"}
CAMERAS = {side: camera for camera, side in SIDES.items()}
STOP_WORDS = {
    *("rgb", "image", "images", "frame", "final", "clean", "left", "data", "proj", "sync", "dslr"),
    *("depth", "depths", "disp", "disparity", "disparities", "gt", "groundtruth", "ground", "truth"),
    *("pred", "preds", "prediction", "predictions"),
}


def key_of(name: str) -> Key:
    """Of a path without its root, or of an array's name."""
    stem = next((name[: -len(end)] for end in (*EXTENSIONS, ".jpg") if name.lower().endswith(end)), name)
    drives = list(DRIVE.finditer(stem))
    if drives:
        camera = CAMERA.search(stem)
        numbers = re.findall(r"\d+", CAMERA.sub("", stem[drives[-1].end() :]))
        if numbers:
            side = SIDES.get(camera[1], camera[1]) if camera else "l"
            return drives[-1][0], str(int(numbers[-1])), side
    tokens = [token for token in re.split(r"[/\\_\s]+", stem) if token and token.lower() not in STOP_WORDS]
    return tuple(str(int(token)) if token.isdecimal() else token for token in tokens or [stem])


def key_of_line(line: SplitLine) -> Key:
    return key_of(f"{line.folder}/image_0{CAMERAS[line.side]}/{line.frame}") if DRIVE.search(line.folder) else (
        *key_of(line.folder), str(line.frame), *(["r"] if line.side == "r" else []))  # fmt: skip


class KeyIndex:
    """Numbers by key. 16 bytes an entry, where a dictionary takes 200: sorted 64-bit hashes in place of the keys.

    Different keys of the same hash count as equal. Python seeds its hashes at random: among a million keys two collide once in
    30 million runs.
    """

    def __init__(self, entries: Iterable[tuple[Key, int]]) -> None:
        hashes, numbers = array("q"), array("q")
        for key, number in entries:
            hashes.append(hash(key))
            numbers.append(number)
        order = np.argsort(np.frombuffer(hashes, np.int64), kind="stable")
        self._hashes, self._numbers = (np.frombuffer(part, np.int64)[order] for part in (hashes, numbers))

    @classmethod
    def of(cls, keys: Sequence[Key]) -> KeyIndex:
        """By the place of each key in a list."""
        return cls((key, place) for place, key in enumerate(keys))

    def all(self, key: Key) -> list[int]:
        first, end = (np.searchsorted(self._hashes, hash(key), side) for side in ("left", "right"))
        return self._numbers[first:end].tolist()

    def firsts(self, keys: Sequence[Key]) -> np.ndarray:
        """(keys,) int64: for each the first number that has it, or NONE."""
        if not len(self._hashes):
            return np.full(len(keys), NONE)
        hashes = np.fromiter(map(hash, keys), np.int64, len(keys))
        places = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
        return np.where(self._hashes[places] == hashes, self._numbers[places], NONE)

    def duplicate(self) -> tuple[int, int] | None:
        """Two numbers that have the same key; None where all keys differ."""
        same = np.flatnonzero(self._hashes[1:] == self._hashes[:-1])
        return (int(self._numbers[same[0]]), int(self._numbers[same[0] + 1])) if len(same) else None


class Matches(NamedTuple):
    predictions: np.ndarray
    """(ground truths,) int64: for each the index of its prediction, or NONE."""
    unused: int
    """How many predictions have no ground truth."""
    ambiguous: list[tuple[int, int]]
    """Pairs of ground truth and prediction whose names match, but not each other's alone."""


def match(truths: Sequence[Key], predictions: Sequence[Key], names: Sequence[str]) -> Matches:
    """Pairs of equal keys; then those where one key is the unambiguous end of the other (a folder more or less).

    names: of the predictions, for messages. Raises UserError for two predictions of one image.
    """
    by_key = KeyIndex.of(predictions)
    if same := by_key.duplicate():
        raise UserError(f"--pred: {names[same[0]]} and {names[same[1]]} are for the same image; remove one of them")
    pairs = by_key.firsts(truths)
    used = np.zeros(len(predictions), bool)
    used[pairs[pairs != NONE]] = True
    ambiguous = []
    for truth, fitting, alone in _by_end(np.flatnonzero(pairs == NONE), truths, np.flatnonzero(~used), predictions):
        if alone:
            pairs[truth] = fitting[0]
            used[fitting[0]] = True
        ambiguous += [] if alone else [(truth, prediction) for prediction in fitting]
    return Matches(pairs, int((~used).sum()), ambiguous)


def _by_end(
    rest_truths: np.ndarray, truths: Sequence[Key], rest: np.ndarray, predictions: Sequence[Key]
) -> Iterator[tuple[int, list[int], bool]]:
    """Each ground truth with predictions that fit it, and whether there is one that fits nothing else."""
    truth_ends, prediction_ends = KeyIndex(_ends(rest_truths, truths)), KeyIndex(_ends(rest, predictions))
    for truth in rest_truths.tolist():
        key = truths[truth]
        longer = prediction_ends.all(key)
        shorter = [i for n in range(1, len(key)) for i in prediction_ends.all(key[n:]) if predictions[i] == key[n:]]
        of_it_alone = [i for i in shorter if len(truth_ends.all(predictions[i])) == 1]
        alone = len(longer) + len(of_it_alone) == 1
        if fitting := longer + (of_it_alone if alone else shorter):
            yield truth, fitting, alone


def _ends(indices: np.ndarray, keys: Sequence[Key]) -> Iterator[tuple[Key, int]]:
    for index in indices.tolist():
        key = keys[index]
        yield from ((key[start:], index) for start in range(len(key)))
