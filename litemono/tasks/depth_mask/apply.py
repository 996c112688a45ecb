"""Trained networks of mask and depth on pictures: what litemono.segment_apply does once its flags are right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from litemono.data.augment_composites import plain_views
from litemono.data.composite_samples import CompositeSamples
from litemono.data.datasets.composites import background_of, split_by_background
from litemono.data.loader import Loader
from litemono.data.sampler import EpochBatches
from litemono.data.splits import SplitLine
from litemono.data.stores.composites import CompositeStore, open_composites
from litemono.engine.precision import apply_precision
from litemono.tasks.depth_mask.apply_settings import ApplyConfig, RunData
from litemono.tasks.depth_mask.metrics import METRICS, Scores, means, scores
from litemono.utils.atomic_files import replacing, write_json
from litemono.utils.bootstrap import PERCENT, resampled_sums
from litemono.utils.device import choose_device
from litemono.utils.errors import require
from litemono.utils.progress import track
from networks import mask_depth_weights

RESAMPLES = 1000


class Result(NamedTuple):
    """The mean of a number over pictures, and its 95 % interval."""

    mean: float
    low: float
    high: float


class Outcome(NamedTuple):
    pictures: int
    backgrounds: int
    results: dict[str, Result]
    """By the names in METRICS; empty without masks and depths to compare with."""


def apply(config: ApplyConfig, run: RunData) -> Outcome:
    """Predict, score and write what the flags ask for. Raises UserError and NetworkError."""
    net = mask_depth_weights.load(config.load_weights).eval()
    store = open_composites(run.data_path, (net.height, net.width), truth=None)
    require(
        store.has_truth or config.output is not None,
        f"--data_path {run.data_path}: has no masks and depths to compare with; give --output to write predictions",
    )
    lines = (
        store.lines if run.part == "all" else split_by_background(store.lines, run.part, run.val_share, run.split_seed)
    )
    device = choose_device(config.device)
    apply_precision("fp32")
    found: dict[SplitLine, Scores] = {}
    for batch, prediction in _predictions(net.to(device), CompositeSamples(store, lines), config, device):
        these = [lines[place] for place in batch.line.tolist()]
        if store.has_truth:
            views = plain_views(batch, device)
            found |= zip(these, scores(prediction, views.mask, views.depth), strict=True)
        if config.output is not None:
            for line, maps in zip(these, prediction.cpu().numpy(), strict=True):
                _write(config.output, store, line, maps)
    results = intervals(found, config)
    if config.output is not None and found:
        _write_numbers(config, run, found, results)
    return Outcome(len(lines), len({background_of(line) for line in lines}), results)


@torch.inference_mode()
def _predictions(
    net: torch.nn.Module, samples: CompositeSamples, config: ApplyConfig, device: torch.device
) -> Iterator[tuple]:
    """Batches, and probability of the mask and depth (B, 2, H, W) of each."""
    order = EpochBatches(len(samples), config.batch_size, 0, shuffle=False, drop_last=False)
    for batch in track(Loader(samples, order, config.num_workers, device), len(order), "batches"):
        batch = batch.on(device)
        prediction: Tensor = net(batch.background.float() / 255, batch.picture.float() / 255).float().sigmoid()
        require(
            prediction.isfinite().all(), f"--load_weights {config.load_weights}: predicts values that are not finite"
        )
        yield batch, prediction


def intervals(found: dict[SplitLine, Scores], config: ApplyConfig) -> dict[str, Result]:
    """Means and bootstrap intervals. Pictures of one background are alike, so whole backgrounds are drawn."""
    if not found:
        return {}
    groups = np.unique([background_of(line) for line in found], return_inverse=True)[1]
    table = np.array([[one.named(config.accuracy)[name] for name in METRICS] for one in found.values()])
    parts = np.stack([np.bincount(groups, column) for column in (*table.T, np.ones(len(table)))], axis=1)
    sums = resampled_sums(parts, RESAMPLES)
    low, high = np.percentile(sums[:, :-1] / sums[:, -1:], PERCENT, axis=0)
    mean = means([*found.values()], config.accuracy)
    return {name: Result(mean[name], float(a), float(b)) for name, a, b in zip(METRICS, low, high, strict=True)}


def _write(folder: Path, store: CompositeStore, line: SplitLine, maps: np.ndarray) -> None:
    """NAME_mask.png, 0 or 255, and NAME_depth.png, 8 bits, at the picture's own size. maps: (2, H, W) in [0, 1]."""
    height, width = store.original_size(line)
    for name, values in zip(("mask", "depth"), maps, strict=True):
        picture = Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
        full = np.asarray(picture).clip(0, 1)
        pixels = (full > 0.5) * 255 if name == "mask" else (255 * full).round()
        with replacing(folder / f"{store.stems[line]}_{name}.png") as file:
            Image.fromarray(pixels.astype(np.uint8)).save(file, format="png")


def _write_numbers(
    config: ApplyConfig, run: RunData, found: dict[SplitLine, Scores], results: dict[str, Result]
) -> None:
    """metrics.json beside the pictures: means, intervals, and the scores of each picture."""
    assert config.output is not None
    content = {
        "load_weights": str(config.load_weights),
        **{key: str(value) if isinstance(value, Path) else value for key, value in run._asdict().items()},
        "thresholds": asdict(config.accuracy),
        "results": {name: result._asdict() for name, result in results.items()},
        "pictures": {f"{line.folder}_{line.frame}": one._asdict() for line, one in found.items()},
    }
    write_json(config.output / "metrics.json", content)
