"""How far an exported file is from its network, on made and on real frames, and what that costs in accuracy."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from litemono.exporting.frames import made_up
from litemono.exporting.fused import FusedDepth
from litemono.exporting.job import Job, Runner
from litemono.exporting.settings import ExportConfig
from litemono.metrics import MAX_DEPTH, MIN_DEPTH, Errors, compute_errors, valid_pixels
from litemono.utils.errors import UserError, require
from litemono.utils.progress import track

TOLERANCE = 1e-4  # of the largest value, in fp32; ONNX Runtime was measured at 1e-6


class Difference(NamedTuple):
    """Of one pass, in terms of its largest and of its mean value."""

    largest: float
    mean: float


class Comparison(NamedTuple):
    """The exported network against the original."""

    largest: float
    """Largest difference of any pixel, in terms of the image's largest value."""
    mean: float
    """Mean difference on the real frames, or else on the made ones, in terms of the mean value."""
    frames: int
    """Real ones."""
    errors: tuple[Errors, Errors] | None
    """Means over the images with ground truth: of the original, of the exported network."""

    @property
    def loss(self) -> float:
        """What --max_loss limits: by how much abs_rel grew, relative to the original's; without ground truth `mean`."""
        if self.errors is None:
            return self.mean
        original, exported = self.errors
        return exported.abs_rel / original.abs_rel - 1

    def lines(self) -> list[str]:
        """For the user."""
        on = f"noise, smooth images and {self.frames} real frames" if self.frames else "noise and smooth images"
        said = f"differs from the network by {self.largest:.1e} of its largest value at most, by {self.mean:.1e} on average"
        lines = [f"{said}, on {on}"]
        if self.errors is not None:
            pairs = zip(Errors._fields, *self.errors, strict=True)
            lines.append("network -> file: " + ", ".join(f"{name} {a:.4f} -> {b:.4f}" for name, a, b in pairs))
            lines.append(f"abs_rel changes by {100 * self.loss:+.2f} %")
        return lines


def compare(job: Job, runner: Runner) -> Comparison:
    """Run both on the same images. Raises UserError where a split has no ground truth to compare with."""
    net, frames = job.fused.net, job.frames
    made = made_up(net.height, net.width, job.config.batch)
    differences = [_difference(job.fused(job.as_input(images)).numpy(), runner(images)) for images in made]
    real: list[Difference] = []
    errors: list[list[Errors]] = []
    for index, read in track(enumerate(frames.compared), len(frames.compared), "frames compared"):
        images = np.repeat(read()[None], job.config.batch or 1, axis=0)
        expected, found = job.fused(job.as_input(images[:1])).numpy()[0], runner(images)[0]
        real.append(_difference(expected, found))
        truth = None if frames.truth is None else frames.truth(index)
        if truth is not None and valid_pixels(truth).any():
            errors.append([errors_of(job.fused, output, truth, job.about.kind) for output in (expected, found)])
    require(frames.truth is None or errors, f"--split {job.config.split}: no image has ground truth within 80 m")
    means = [Errors(*np.mean(column, axis=0).tolist()) for column in zip(*errors, strict=True)]
    return Comparison(
        largest=max(one.largest for one in (*differences, *real)),
        mean=float(np.mean([one.mean for one in real or differences])),
        frames=len(real),
        errors=(means[0], means[1]) if means else None,
    )


def check(config: ExportConfig, found: Comparison) -> None:
    """UserError where the file is too far from the network to be of use."""
    if config.precision != "fp32":
        what = "abs_rel worse" if found.errors is not None else "away from the network on average"
        if not found.loss <= config.max_loss:
            raise UserError(
                f"--precision {config.precision}: {100 * found.loss:.2f} % {what} (allowed: {100 * config.max_loss:g} %), so "
                "nothing was written; use another precision or a larger --max_loss"
            )
        return
    require(
        found.largest <= TOLERANCE,
        f"--format {config.format}: the exported network differs from the original by {found.largest:.1e} of its largest "
        f"value (allowed: {TOLERANCE:.0e}), so nothing was written; try another --opset or torch release",
    )


def errors_of(fused: FusedDepth, output: np.ndarray, truth: np.ndarray, kind: str) -> Errors:
    """Of one image by the protocol of Eigen et al.: Garg's crop, up to 80 m, median scaling unless the network is metric.

    output: (H, W) as the network gives it; truth: (h, w) metres, 0 where nothing was measured.
    """
    disparity = 1 / output if fused.output == "depth" else output
    depth = 1 / cv2.resize(disparity, truth.shape[::-1])
    valid = valid_pixels(truth)
    measured, predicted = truth[valid], depth[valid]
    if kind != "metric":
        predicted = predicted * (np.median(measured) / np.median(predicted))
    return compute_errors(measured, np.clip(predicted, MIN_DEPTH, MAX_DEPTH))


def _difference(expected: np.ndarray, found: np.ndarray) -> Difference:
    """Infinite where a value is not finite."""
    off = np.abs(found - expected)
    if not np.isfinite(off).all():
        return Difference(float("inf"), float("inf"))
    return Difference(float(off.max() / np.abs(expected).max()), float(off.mean() / np.abs(expected).mean()))
