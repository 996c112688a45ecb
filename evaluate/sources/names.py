"""Which prediction belongs to which ground truth: by name, never by order.

A name becomes a key: its words and numbers without what says only that it is a depth map (folders called depth or
groundtruth, words such as pred). KITTI's are (drive, frame, side), however a program joins them: DRIVE_FRAME.png,
DATE/DRIVE/image_02/data/FRAME.png, DRIVE/proj_depth/groundtruth/image_02/FRAME.png, "DATE/DRIVE FRAME l" in a split.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

from .map_files import EXTENSIONS

Key = tuple[str, ...]

DRIVE = re.compile(r"\d{4}_\d\d_\d\d_drive_\d{4}_(?:sync|extract)")
CAMERA = re.compile(r"image_0(\d)")
SIDES = {"2": "l", "3": "r"}
CAMERAS = {side: camera for camera, side in SIDES.items()}
SAYS_NOTHING = {
    *("rgb", "image", "images", "frame", "final", "clean", "left", "data", "proj", "sync"),
    *("depth", "depths", "disp", "disparity", "disparities", "gt", "groundtruth", "ground", "truth"),
    *("pred", "preds", "prediction", "predictions"),
}


def key_of(name: str) -> Key:
    """Of a path without its root, or of an array's name."""
    stem = next((name[: -len(end)] for end in EXTENSIONS if name.lower().endswith(end)), name)
    drives = list(DRIVE.finditer(stem))
    if drives:
        camera = CAMERA.search(stem)
        numbers = re.findall(r"\d+", CAMERA.sub("", stem[drives[-1].end() :]))
        if numbers:
            side = SIDES.get(camera[1], camera[1]) if camera else "l"
            return sys.intern(drives[-1][0]), sys.intern(str(int(numbers[-1]))), side
    tokens = [token for token in re.split(r"[/\\_\s]+", stem) if token and token.lower() not in SAYS_NOTHING]
    return tuple(sys.intern(str(int(token)) if token.isdecimal() else token) for token in tokens or [stem])


def key_of_line(line: SplitLine) -> Key:
    return key_of(f"{line.folder}/image_0{CAMERAS[line.side]}/{line.frame}") if DRIVE.search(line.folder) else (
        *key_of(line.folder), str(line.frame), *(["r"] if line.side == "r" else []))  # fmt: skip


def video_of(key: Key) -> str:
    """The drive, scene or room of an image; "" where its name has no other part than its own."""
    return "_".join((key[0], key[2]) if DRIVE.fullmatch(key[0]) else key[:-1])


class Matches(NamedTuple):
    predictions: list[int | None]
    """For each ground truth the index of its prediction."""
    unused: list[int]
    """Predictions without ground truth."""
    ambiguous: list[tuple[int, int]]
    """Ground truth and a prediction whose name fits it, but not it alone."""


def match(truths: Sequence[Key], predictions: Sequence[Key], names: Sequence[str]) -> Matches:
    """Pairs of equal keys; then those where one key is the unambiguous end of the other (a folder more or less).

    names: of the predictions, for messages. Raises UserError for two predictions of one image.
    """
    by_key: dict[Key, int] = {}
    for index, key in enumerate(predictions):
        if key in by_key:
            raise UserError(
                f"--pred: {names[by_key[key]]} and {names[index]} are for the same image; remove one of them"
            )
        by_key[key] = index
    pairs: list[int | None] = [by_key.get(key) for key in truths]
    rest_truths = [index for index, pair in enumerate(pairs) if pair is None]
    used = set(pairs)
    rest = [index for index in range(len(predictions)) if index not in used]
    ambiguous = []
    for truth, fitting, alone in _by_end(rest_truths, truths, rest, predictions):
        if alone:
            pairs[truth] = fitting[0]
        ambiguous += [] if alone else [(truth, prediction) for prediction in fitting]
    used = set(pairs)
    return Matches(pairs, [index for index in rest if index not in used], ambiguous)


def _by_end(
    rest_truths: list[int], truths: Sequence[Key], rest: list[int], predictions: Sequence[Key]
) -> Iterator[tuple[int, list[int], bool]]:
    """Each ground truth with predictions that fit it, and whether there is one that fits nothing else."""
    truth_ends, prediction_ends = _ends(rest_truths, truths), _ends(rest, predictions)
    for truth in rest_truths:
        key = truths[truth]
        longer = prediction_ends.get(key, [])
        shorter = [i for n in range(1, len(key)) for i in prediction_ends.get(key[n:], []) if predictions[i] == key[n:]]
        of_it_alone = [i for i in shorter if len(truth_ends[predictions[i]]) == 1]
        alone = len(longer) + len(of_it_alone) == 1
        if fitting := longer + (of_it_alone if alone else shorter):
            yield truth, fitting, alone


def _ends(indices: list[int], keys: Sequence[Key]) -> dict[Key, list[int]]:
    ends: dict[Key, list[int]] = defaultdict(list)
    for index in indices:
        for start in range(len(keys[index])):
            ends[keys[index][start:]].append(index)
    return ends
