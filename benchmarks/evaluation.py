"""What evaluating an image costs outside the network: CPU time by stage, beside the published loop written plainly; and the
whole of it, with and without a network, on one thread and on two.

    python -m benchmarks.evaluation --images KITTI_RAW/DATE/DRIVE/image_02/data --json evaluation.json

Ground truth is random, as dense as a velodyne scan (5 % of the pixels), because its cost depends on the density only.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

import networks
from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.stopwatch import Stopwatch
from evaluate.protocol import Protocol
from evaluate.scoring.image_set import Job, Predictions, Scored, Scores, Truth, score_all
from evaluate.scoring.one_image import score_image
from evaluate.sources import predictions
from export_gt import GroundTruth, files
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import resized
from litemono.trained_depth import TrainedDepth
from litemono.utils import cli
from litemono.utils.errors import require

SIZE, TRUE_SIZE = (192, 640), (375, 1242)


@dataclass(frozen=True)
class Config:
    """What is measured."""

    images: Path
    """Folder of full-size KITTI images (.png)."""
    repeats: int = 3
    """Passes over the images."""
    json: Path | None = None
    """Also write the results to this file."""


def published_loop(truth: np.ndarray, disparity: np.ndarray) -> list[float]:
    """The seven errors of one image as evaluation scripts of the field write them."""
    height, width = truth.shape
    depth = 1 / cv2.resize(disparity, (width, height))
    mask = np.logical_and(truth > 1e-3, truth < 80)
    crop = np.zeros(mask.shape)
    crop[int(0.40810811 * height) : int(0.99189189 * height), int(0.03594771 * width) : int(0.96405229 * width)] = 1
    mask = np.logical_and(mask, crop)
    depth, truth = depth[mask], truth[mask]
    depth = (depth * (np.median(truth) / np.median(depth))).clip(1e-3, 80)
    ratio = np.maximum(truth / depth, depth / truth)
    shares = [float((ratio < 1.25**power).mean()) for power in (1, 2, 3)]
    return [
        float(np.mean(np.abs(truth - depth) / truth)),
        float(np.mean((truth - depth) ** 2 / truth)),
        float(np.sqrt(((truth - depth) ** 2).mean())),
        float(np.sqrt(((np.log(truth) - np.log(depth)) ** 2).mean())),
        *shares,
    ]


def measure(config: Config) -> None:
    """Measure and record what evaluating an image costs outside the network."""
    images = sorted(config.images.glob("*.png"))
    require(images, f"--images {config.images}: no .png files there; give a drive's image_02/data")
    draw, watch, scores = np.random.default_rng(0), Stopwatch(), Scores(())
    disparity = draw.uniform(0.01, 0.5, SIZE).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gt.npz"
        lines = [SplitLine("drive", frame, "l") for frame in range(len(images))]
        files.write(path, lines, [random_truth(draw) for _ in lines])
        truth, agree = GroundTruth(path), 0.0
        whole = end_to_end(images, lines, truth, config.repeats)
        for _ in range(config.repeats):
            for index, image in enumerate(images):
                with watch("decode the image"):
                    pixels = Image.open(image).convert("RGB")
                with watch("resize the image"):
                    resized(pixels, *SIZE)
                with watch("unpack the ground truth"):
                    depth = truth[index]
                with watch("score: seven errors, published loop"):
                    expected = published_loop(depth, disparity)
                with watch("score: 17 metrics and distributions, ours"):
                    score = score_image(depth, disparity, Protocol())
                    scores.add(Scored(index, score, SIZE, False))
                agree = max(agree, abs(score.metrics["abs_rel"] - expected[0]) if score else 0.0)
    stages = {stage: round(ms, 3) for stage, ms in watch.per(config.repeats * len(images)).items()}
    measured = {
        "images": len(images),
        "repeats": config.repeats,
        "cpu_ms_per_image": stages,
        "ours_beyond_decoding_ms": round(sum(stages[name] for name in OURS), 3),
        "largest_difference_of_abs_rel": agree,
        "end_to_end_ms_per_image": whole,
    }
    print(json.dumps(measured, indent=1))
    write_record(config.json, machine(torch.device("cpu")), measured)


OURS = ("resize the image", "unpack the ground truth", "score: 17 metrics and distributions, ours")


def random_truth(draw: np.random.Generator) -> np.ndarray:
    return (draw.uniform(2, 70, TRUE_SIZE) * (draw.uniform(size=TRUE_SIZE) < 0.05)).astype(np.float32)


class Frames:
    """The images as evaluate's store gives them."""

    def __init__(self, images: list[Path]) -> None:
        self.images = images

    def read(self, folder: str, frame: int, side: str) -> np.ndarray:
        with Image.open(self.images[frame]) as image:
            return resized(image.convert("RGB"), *SIZE)


def end_to_end(images: list[Path], lines: list[SplitLine], depth: GroundTruth, rounds: int) -> dict[str, dict]:
    """Wall and CPU milliseconds of reading, predicting and scoring, the least of the rounds, in which all take turns.

    "nothing" in place of the network: what is left is this code. Threads: those that read and score; the network's are torch's.
    """
    net = networks.create("lite-mono", height=SIZE[0], width=SIZE[1]).eval()
    trained = TrainedDepth(net, torch.device("cpu"), 0.1, 100.0, {})
    nothing = np.random.default_rng(0).uniform(0.01, 0.5, SIZE).astype(np.float32)
    keys = [(line.folder, str(line.frame)) for line in lines]
    truth = Truth(depth.path, list(map(str, lines)), keys, None, depth.__getitem__)
    found: dict[str, dict] = {}
    for _ in range(rounds):
        for workers in (1, 2):
            for name, predict in (
                ("nothing", lambda pixels: np.broadcast_to(nothing, (len(pixels), *SIZE))),
                ("lite-mono", lambda pixels: predictions.of_batch(trained, pixels, False)),
            ):
                case = found.setdefault(f"{name}, {workers} threads", {"wall": np.inf})
                times = run_once(images, lines, truth, workers, predict)
                case.update(times if times["wall"] < case["wall"] else {})
    return {name: {part: round(ms, 2) for part, ms in case.items()} for name, case in found.items()}


def run_once(
    images: list[Path], lines: list[SplitLine], truth: Truth, workers: int, predict: Callable[[np.ndarray], np.ndarray]
) -> dict[str, float]:
    waited = 0.0

    def jobs() -> Iterator[Job]:
        nonlocal waited
        maps = predictions.image_batches(Frames(images), lines, 4, workers)  # type: ignore[arg-type]
        for first, pixels in enumerate(maps):
            start = time.perf_counter()
            disparities = predict(pixels)
            waited += time.perf_counter() - start
            yield from (Job(4 * first + row, "", partial(np.asarray, one)) for row, one in enumerate(disparities))

    wall, cpu = time.perf_counter(), time.process_time()
    judged = Predictions(jobs, len(lines), "disparity")
    with contextlib.redirect_stderr(io.StringIO()):
        Scores(score_all(judged, truth, Protocol(), workers))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {part: 1000 * s / len(lines) for part, s in (("wall", wall), ("cpu", cpu), ("in the network", waited))}


if __name__ == "__main__":
    cli.run(measure, Config, "python -m benchmarks.evaluation")
