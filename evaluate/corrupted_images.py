"""evaluate --corruptions: one pass over the images, each clean and in every corruption and severity."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from litemono.inference import TrainedDepth
from litemono.utils.atomic_files import write_json
from litemono.utils.errors import UserError, reason, require
from litemono.utils.parallel import ordered_map

from . import provenance
from .checks import writable
from .inputs import Images, Inputs, images_of, open_inputs
from .results import file_name, protocol_fields
from .robustness import table
from .robustness.corruptions import SMALLEST, corrupted
from .robustness.result import RobustnessResult
from .robustness.scores import Robustness, dee, robustness
from .robustness.settings import chosen_corruptions, chosen_severities
from .scoring.image_set import Job, Scores, Truth, score_all
from .settings import EvaluateConfig
from .sources import network, predictions


class Variant(NamedTuple):
    """A way in which every image is shown to the network."""

    corruption: str
    severity: int

    def __str__(self) -> str:
        return f"{self.corruption} of severity {self.severity}"


CLEAN = Variant("clean", 0)


class Subject(NamedTuple):
    """The network, what it looks at and what it is compared with."""

    config: EvaluateConfig
    weights: Path
    trained: TrainedDepth
    images: Images
    inputs: Inputs
    variants: list[Variant]
    frost_photos: list[np.ndarray]


def run(config: EvaluateConfig) -> None:
    """Evaluate, print, write."""
    subject = _subject(config)
    path = writable(config.output or _result_path(subject))
    result = _result(subject, _score(subject))
    table.show(result, subject.inputs.protocol)
    write_json(path, dataclasses.asdict(result), indent=2)
    print(f"written to {path}")


def _subject(config: EvaluateConfig) -> Subject:
    weights, flags = config.network.load_weights, config.robustness
    assert weights is not None  # check() has seen to it
    config = network.with_data_of_run(config, weights)
    images = images_of(config)
    names = chosen_corruptions(flags)
    photos = _frost_photos(flags.frost_photos) if "frost" in names else []
    inputs = open_inputs(config, images, lambda disparity: None)
    trained = inputs.trained
    assert trained is not None
    height, width = trained.net.height, trained.net.width
    require(
        min(height, width) >= SMALLEST, f"--corruptions: the network's images have {width}x{height} pixels, too few"
    )
    variants = [CLEAN, *(Variant(*pair) for pair in product(names, chosen_severities(flags)))]
    return Subject(config, weights, trained, images, inputs, variants, photos)


def _score(subject: Subject) -> dict[Variant, Scores]:
    """All variants of an image come one after the other: the image and its ground truth are read once."""
    gt, workers, protocol = subject.inputs.truth, subject.config.num_workers, subject.inputs.protocol
    truth = Truth(gt.path, gt.names, gt.keys, gt.data, lru_cache(workers + 2)(gt.read))
    order = list(product(range(len(gt)), subject.variants))

    def jobs() -> Iterator[Job]:
        size = subject.config.network.batch_size
        with ThreadPoolExecutor(workers) as threads:
            shown = ordered_map(threads, _shown(subject), order, ahead=2 * size + workers)
            maps = predictions.from_images(subject.trained, shown, batch_size=size, post_process=protocol.post_process)
            for (index, variant), values in zip(order, maps, strict=True):
                yield Job(index, f"the prediction for {gt.names[index]}, {variant}", partial(np.asarray, values))

    all_maps = subject.inputs.predictions._replace(jobs=jobs, total=len(order), image=None)
    scores = {variant: Scores() for variant in subject.variants}
    for (_, variant), one in zip(order, score_all(all_maps, truth, protocol, workers), strict=True):
        scores[variant].add(one)
    return scores


def _shown(subject: Subject) -> Callable[[tuple[int, Variant]], np.ndarray]:
    """(index, variant) -> (H, W, 3) uint8 at the network's size; for threads."""
    store = network.open_images(subject.config.network, subject.inputs.protocol, subject.trained)
    lines = subject.images.listed

    @lru_cache(subject.config.num_workers + 2)
    def clean(index: int) -> np.ndarray:
        return store.read(*lines[index])

    def make(what: tuple[int, Variant]) -> np.ndarray:
        index, variant = what
        if variant == CLEAN:
            return clean(index)
        return corrupted(clean(index), *variant, str(lines[index]), subject.frost_photos)

    return make


def _frost_photos(folder: Path | None) -> list[np.ndarray]:
    """Of --frost_photos, in the order of their names; none where the flag is not given: then ice is drawn."""
    if folder is None:
        return []
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    require(files, f"--frost_photos {folder}: no .png or .jpg there; give imagecorruptions' folder frost")
    photos = []
    for file in files:
        try:
            with Image.open(file) as image:
                photos.append(np.asarray(image.convert("RGB")))
        except OSError as error:
            raise UserError(f"--frost_photos: {file} is no readable image ({reason(error)}); replace it") from None
    return photos


def _result_path(subject: Subject) -> Path:
    weights = subject.weights
    name = file_name(subject.images.name, subject.inputs.protocol, network.other_size(weights, subject.trained))
    name = name.replace("eval_", "robustness_", 1)
    return weights / name if weights.is_dir() else weights.with_name(f"{weights.stem}_{name}")


def _result(subject: Subject, scores: dict[Variant, Scores]) -> RobustnessResult:
    gt, protocol, net = subject.inputs.truth, subject.inputs.protocol, subject.trained.net
    if not scores[CLEAN].counted:
        raise UserError(f"{gt.path}: no image has a pixel of ground truth that counts; check --gt_path and --split")
    means = {variant: score.table().mean(protocol.averaging == "pixel") for variant, score in scores.items()}
    by_name: dict[str, dict[int, dict[str, float]]] = {}
    for variant, metrics in means.items():
        if variant != CLEAN:
            by_name.setdefault(variant.corruption, {})[variant.severity] = metrics
    return RobustnessResult(
        split=subject.images.split,
        gt_path=str(gt.path),
        images=len(gt),
        evaluated=len(scores[CLEAN].counted),
        weights=str(subject.weights),
        model=net.name,
        height=net.height,
        width=net.width,
        frost="photos" if subject.frost_photos else "drawn",
        severities=chosen_severities(subject.config.robustness),
        protocol=protocol_fields(protocol)["protocol"],
        clean=means[CLEAN],
        corruptions=by_name,
        **_figures(means[CLEAN], by_name)._asdict(),
        code=provenance.of_this(),
        training=provenance.of_training(subject.weights),
    )


def _figures(clean: dict[str, float], by_name: dict[str, dict[int, dict[str, float]]]) -> Robustness:
    errors = {
        name: {severity: dee(metrics["abs_rel"], metrics["d1"]) for severity, metrics in by_severity.items()}
        for name, by_severity in by_name.items()
    }
    return robustness(dee(clean["abs_rel"], clean["d1"]), errors)
