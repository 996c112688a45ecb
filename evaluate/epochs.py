"""--all_epochs: each saved epoch of a run, evaluated in one pass over the images, as a table and a curve."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from litemono.utils.errors import UserError
from litemono.utils.parallel import ordered_map
from litemono.utils.progress import track

from . import results
from .checks import writable
from .epoch_curve import draw
from .evaluation import result_of, result_path
from .inputs import Images, Inputs, images_of, open_truth
from .protocol import Protocol, describe
from .scoring.image_set import Job, Scored, Scores, Truth, score_job
from .scoring.metrics import METRICS
from .settings import EvaluateConfig, check_kind
from .sources import network, predictions

Stack = tuple[int, list[np.ndarray]]
"""Index of the image, and each epoch's (H, W) prediction for it."""


def run(config: EvaluateConfig) -> None:
    """Write eval_SPLIT.json beside the weights of each epoch and the curve into the run folder."""
    folder = config.network.load_weights or Path()
    epochs = saved_epochs(folder, config.network.last_epochs)
    config = network.with_data_of_run(config, epochs[-1])
    images = images_of(config)
    protocol, gt = open_truth(config, images)
    inputs = [_inputs(config, images, protocol, gt, weights) for weights in epochs]
    configs = [replace(config, network=replace(config.network, load_weights=weights)) for weights in epochs]
    paths = [writable(result_path(*pair, images.name)) for pair in zip(configs, inputs, strict=True)]
    curve = writable(folder / paths[-1].with_suffix(".png").name.replace("eval_", "epochs_", 1))
    scores = score_epochs(config, images, inputs)
    found = [result_of(*parts) for parts in zip(configs, inputs, [images] * len(epochs), scores, strict=True)]
    for path, result in zip(paths, found, strict=True):
        results.write(path, result)
    show([_epoch(weights) for weights in epochs], found, inputs[0].protocol)
    draw(curve, [_epoch(weights) for weights in epochs], found, inputs[0].protocol)
    print(f"written to {paths[0].name} beside the weights of each epoch, and {curve}")


def saved_epochs(folder: Path, last: int | None) -> list[Path]:
    """models/weights_N of a run folder, by N. Raises UserError where there are none."""
    found = sorted((path for path in folder.glob("models/weights_*") if path.name[8:].isdecimal()), key=_epoch)
    if not found:
        raise UserError(
            f"--load_weights {folder}: no models/weights_N there; --all_epochs takes a run folder such as runs/mytrain"
        )
    return found if last is None else found[-last:]


def _epoch(weights: Path) -> int:
    return int(weights.name[8:])


def _inputs(config: EvaluateConfig, images: Images, protocol: Protocol, gt: Truth, weights: Path) -> Inputs:
    trained = network.load(config.network, weights)
    protocol = network.with_kind(protocol, trained, config)
    maps = network.disparities(trained, config, protocol, images.listed, images.list_file, lambda map: None)
    check_kind(protocol, maps.kind)
    return Inputs(protocol, gt, maps, trained)


def score_epochs(config: EvaluateConfig, images: Images, inputs: list[Inputs]) -> list[Scores]:
    """Of each epoch. Images and ground truth are read once; each epoch's network looks at each batch."""
    gt, lines = inputs[0].truth, images.listed

    def score(stack: Stack) -> list[Scored]:
        index, maps = stack
        depth = gt.read(index)
        once = replace(gt, read=lambda _: depth)
        return [
            score_job(_job(index, lines, values), part.predictions, once, part.protocol, {})
            for part, values in zip(inputs, maps, strict=True)
        ]

    with ThreadPoolExecutor(config.num_workers) as threads:
        stacks = _stacks(config, images, inputs)
        scored = ordered_map(threads, score, stacks, ahead=2 * config.num_workers)
        scores = [Scores() for _ in inputs]
        for row in track(scored, len(lines), f"images, {len(inputs)} epochs"):
            for of_epoch, one in zip(scores, row, strict=True):
                of_epoch.add(one)
    return scores


def _job(index: int, lines: list, values: np.ndarray) -> Job:
    return Job(index, f"prediction {index} ({lines[index]})", partial(np.asarray, values), "; training diverged")


def _stacks(config: EvaluateConfig, images: Images, inputs: list[Inputs]) -> Iterator[Stack]:
    networks = [part.trained for part in inputs if part.trained is not None]
    protocol = inputs[0].protocol
    store = network.open_images(config.network, protocol, networks[0])
    index = 0
    for pixels in predictions.image_batches(store, images.listed, config.network.batch_size, config.num_workers):
        maps = [predictions.of_batch(net, pixels, protocol.post_process) for net in networks]
        for row in range(len(pixels)):
            yield index, [batch[row] for batch in maps]
            index += 1


def show(epochs: list[int], found: list[results.Result], protocol: Protocol) -> None:
    """The table, the best epoch, and that it was chosen on the test images."""
    table = Table(title=f"{found[0].split}, {found[0].evaluated} images")
    table.add_column("epoch", justify="right")
    for name in protocol.headline:
        table.add_column(name, justify="right")
    best = best_epoch(found, protocol)
    for index, (epoch, result) in enumerate(zip(epochs, found, strict=True)):
        numbers = (f"{result.all_metrics[name]:.3f}" for name in protocol.headline)
        table.add_row(str(epoch), *numbers, style="bold" if index == best else None)
    console = Console(width=None if Console().is_terminal else 100)
    console.print(table)
    print(describe(protocol))
    name = protocol.ranked_by
    print(
        f"best {name}: epoch {epochs[best]} ({found[best].all_metrics[name]:.3f}), last: {found[-1].all_metrics[name]:.3f}"
    )
    if len(epochs) > 1:
        print(
            f"warning: epoch {epochs[best]} is the best of {len(epochs)} on the test images, so its number is too good; report "
            "the last epoch, or one chosen on validation images (models/best_abs_rel)",
            file=sys.stderr,
        )


def best_epoch(found: list[results.Result], protocol: Protocol) -> int:
    """Index of the best by the metric that the protocol is ranked by."""
    name = protocol.ranked_by
    values = [result.all_metrics[name] for result in found]
    return int(np.argmax(values) if METRICS[name].higher_is_better else np.argmin(values))
