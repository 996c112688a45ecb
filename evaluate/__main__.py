"""The evaluate command: seven depth errors of a network on a test split."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from evaluate import predictions, results
from evaluate.protocol import BadPrediction, ImageScore, Protocol, score_image, summarise, uses_crop
from export_gt import GroundTruth, default_path
from export_gt.depth_maps import check_has_truth
from litemono.data.datasets import registry
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.settings import DataConfig, default_workers
from litemono.data.splits import SplitLine, read_split, split_file
from litemono.data.stores.folder import open_store
from litemono.inference import TrainedDepth, load_trained, run_settings
from litemono.tasks.monodepth_settings import MODEL_HELP
from litemono.utils import cli
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError, require
from litemono.utils.progress import track
from networks.weights import stored_size


@dataclass(frozen=True)
class EvaluateConfig:
    """What is evaluated, on which images, by which protocol."""

    load_weights: Path | None = None
    """Weights folder with encoder.pth and depth.pth, ours (RUN/models/weights_29) or published."""
    load_pred: Path | None = None
    """Instead of a network: .npy file of scaled disparities (inverse depth), one per test image."""
    model: Annotated[str | None, tyro.conf.arg(help=MODEL_HELP)] = None
    height: int | None = None
    """Input height. The network resizes images to the nearest multiple of 32, and its output back. Default: as in encoder.pth."""
    width: int | None = None
    """Input width. Default: as in encoder.pth."""
    data_path: Path | None = None
    """KITTI raw folder with the test images. Default: the run's own if it is one, else kitti_data."""
    png: bool = False
    """Of a frame that is there as .png (as KITTI ships it) and as .jpg, take the .png; either is read where it is alone."""
    split: str = "eigen"
    """Name of a folder in splits/, or path of a folder with test_files.txt. eigen_benchmark counts all annotated pixels;
    every other split the Garg crop up to 80 m."""
    gt_path: Path | None = None
    """Ground truth from export_gt (published gt_depths.npz files work too). Default: gt_depths_SPLIT.npz in data_path."""
    post_process: bool = False
    """Average with the prediction for the mirrored image (monodepth's flip post-processing)."""
    no_median_scaling: bool = False
    """Leave out median scaling: for networks trained with stereo pairs, with --pred_depth_scale 5.4."""
    pred_depth_scale: float = 1.0
    """Factor on predicted depths."""
    save_pred: Path | None = None
    """Also write the scaled disparities to this .npy file, (images, height, width) float32."""
    output: Path | None = None
    """Where to write the errors as JSON. Default: eval_SPLIT.json in the weights folder, or beside --load_pred."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    batch_size: int = 16
    """Images per forward pass."""
    num_workers: int = field(default_factory=default_workers)
    """Threads that read images. Default: one per core, at most 8."""


def evaluate(config: EvaluateConfig) -> None:
    """Compare a network's depth with ground truth: seven errors in a table, and as JSON beside the weights.

    Example: python -m evaluate --load_weights runs/mytrain/models/weights_29
    """
    _check(config)
    config = _with_data_of_run(config)
    list_file = split_file(config.split, "test")
    check_has_truth(list_file)
    lines, split_name = read_split(list_file), list_file.parent.name
    truth = _open_truth(config, lines, split_name)
    protocol = Protocol(uses_crop(split_name), not config.no_median_scaling, config.pred_depth_scale)

    if config.load_weights is not None:
        device = choose_device(config.device)
        trained = load_trained(config.load_weights, config.model, device, config.height, config.width)
        disparities = _run_network(config, trained, lines, list_file)
    else:
        trained = None
        disparities = predictions.from_file(config.load_pred, len(lines), split_name)
    path = config.output or _result_path(config, trained, split_name, protocol)
    place = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not place.is_dir() or not os.access(place, os.W_OK):  # told before the work, not after it
        raise UserError(f"{path}: no file can be written there; give another place: --output errors.json")
    with predictions.saving(config.save_pred, len(lines)) as save:
        if config.load_pred is not None:
            disparities = predictions.checked_direction(config.load_pred, disparities, truth, protocol.crop)
        scores, size = _score(track(disparities, len(lines), "images"), lines, truth, protocol, save)
    result = _result(config, trained, protocol, truth, lines, scores, size)
    results.show(result)
    results.write(path, result)
    print(f"written to {path}")
    if trained and trained.settings.get("loss", {}).get("use_stereo") and protocol.median_scaling:
        print("trained with stereo pairs: --no_median_scaling --pred_depth_scale 5.4 judges its own scale")


def _check(config: EvaluateConfig) -> None:
    """Raise UserError for flags that do not go together or have impossible values."""
    network = config.load_weights is not None
    require(network != (config.load_pred is not None), "give either --load_weights FOLDER or --load_pred FILE")
    require(
        network or not (config.post_process or config.save_pred),
        "--post_process and --save_pred need a network: they do not go with --load_pred",
    )
    folder = config.data_path
    require(folder is None or folder.is_dir(), f"--data_path {folder}: there is no such folder")
    require(network or folder is not None or config.gt_path is not None, "--load_pred needs --gt_path (or --data_path)")
    for name in ("batch_size", "num_workers"):
        require(getattr(config, name) >= 1, f"--{name} {getattr(config, name)}: must be at least 1")
    scale = config.pred_depth_scale
    require(0 < scale < float("inf"), f"--pred_depth_scale {scale}: must be positive")


def _with_data_of_run(config: EvaluateConfig) -> EvaluateConfig:
    """--data_path, and --png with it, as training had them, where the flags do not say."""
    if config.load_weights is None or config.data_path is not None:
        return config
    data = run_settings(config.load_weights).get("data", {})
    if registry.DATASETS.get(str(data.get("dataset"))) is not KITTI_RAW:  # the test splits are lists of its images
        data = {}
    folder = Path(data.get("data_path", DataConfig.data_path))
    require(folder.is_dir(), f"--data_path {folder}: there is no such folder; give the one with the test images")
    return dataclasses.replace(config, data_path=folder, png=config.png or data.get("png", False))


def _open_truth(config: EvaluateConfig, lines: list[SplitLine], split_name: str) -> GroundTruth:
    path = config.gt_path or default_path(config.data_path, split_name)
    if not path.is_file():
        output = f" --output {shlex.quote(str(path))}" if config.gt_path else ""
        source = shlex.quote(str(config.data_path or "KITTI_RAW"))
        raise UserError(
            f"{path}: there is no such ground-truth file; make it: "
            f"python -m export_gt --data_path {source} --split {shlex.quote(config.split)}{output}"
        )
    truth = GroundTruth(path)
    if len(truth) != len(lines):
        raise UserError(f"{path}: {len(truth)} depth maps, but split {config.split} has {len(lines)} test images")
    if truth.lines is not None and truth.lines != list(map(str, lines)):
        raise UserError(
            f"{path}: made for other images than those of split {config.split}; make it again with export_gt"
        )
    return truth


def _run_network(
    config: EvaluateConfig, trained: TrainedDepth, lines: list[SplitLine], list_file: Path
) -> Iterable[np.ndarray]:
    store = open_store(KITTI_RAW.name, config.data_path, config.png, trained.net.height, trained.net.width)
    predictions.check_images(store, lines, list_file)
    return predictions.from_network(
        trained,
        store,
        lines,
        batch_size=config.batch_size,
        num_workers=config.num_workers,
        post_process=config.post_process,
    )


def _score(
    disparities: Iterable[np.ndarray],
    lines: list[SplitLine],
    truth: GroundTruth,
    protocol: Protocol,
    save: Callable[[np.ndarray], object],
) -> tuple[list[ImageScore | None], tuple[int, int]]:
    """The score of each image, None where no pixel counts, and the (height, width) of the disparities."""
    scores, size = [], (0, 0)
    for index, (line, disparity) in enumerate(zip(lines, disparities, strict=True)):
        size = disparity.shape
        save(disparity)
        try:
            scores.append(
                score_image(truth[index], disparity.astype(np.promote_types(disparity.dtype, "f4")), protocol)
            )
        except BadPrediction as error:
            raise UserError(
                f"prediction {index} ({line}): {error}; training diverged, or the file holds something else"
            ) from None
    return scores, size


def _result(
    config: EvaluateConfig,
    trained: TrainedDepth | None,
    protocol: Protocol,
    truth: GroundTruth,
    lines: list[SplitLine],
    scores: list[ImageScore | None],
    size: tuple[int, int],
) -> results.Result:
    counted = [score for score in scores if score is not None]
    if not counted:
        raise UserError(
            f"{truth.path}: no image has a pixel of ground truth that counts; check --data_path and --split"
        )
    metrics, ratios = results.figures(summarise(counted))
    return results.Result(
        split=config.split,
        gt_path=str(truth.path),
        images=len(lines),
        evaluated=len(counted),
        skipped=[str(line) for line, score in zip(lines, scores, strict=True) if score is None],
        weights=_text(config.load_weights),
        predictions=_text(config.load_pred),
        model=trained.net.name if trained else None,
        height=size[0],
        width=size[1],
        min_depth=trained.min_depth if trained else None,
        max_depth=trained.max_depth if trained else None,
        imagenet_backbone=_imagenet_backbone(trained.settings if trained else {}),
        **protocol._asdict(),
        post_process=config.post_process,
        metrics=metrics,
        scale_ratios=ratios,
    )


def _result_path(config: EvaluateConfig, trained: TrainedDepth | None, split_name: str, protocol: Protocol) -> Path:
    other = None
    if trained is not None:
        size, stored = (trained.net.height, trained.net.width), stored_size(config.load_weights)
        other = size if None not in stored and size != stored else None
    name = results.file_name(split_name, protocol, config.post_process, other)
    if config.load_weights is not None and config.load_weights.is_dir():
        return config.load_weights / name
    file = config.load_weights or config.load_pred
    return file.with_name(f"{file.stem}_{name}")


def _imagenet_backbone(settings: dict[str, Any]) -> bool | None:
    """From a run's config.json; weights that it started from may themselves have started from ImageNet."""
    model = settings.get("model", {})
    return None if not model or model.get("load_weights") else bool(model.get("mypretrain"))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def main() -> None:
    cli.run(evaluate, EvaluateConfig, "evaluate")


if __name__ == "__main__":
    main()
