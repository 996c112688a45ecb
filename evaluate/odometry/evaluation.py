"""evaluate --split odom_09: the trajectory of a pose network, or of another program, against KITTI's poses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from litemono.data.datasets.kitti_odometry import KITTI_ODOMETRY
from litemono.utils.atomic_files import write_json
from litemono.utils.errors import UserError, require

from .. import provenance
from ..checks import writable
from ..settings import EvaluateConfig
from .settings import sequence_of
from .trajectory import align, chained, motions_of, read_poses, snippet_ates, trajectory_errors, write_poses


@dataclasses.dataclass(frozen=True)
class OdometryResult:
    """What JSON holds. Metres and degrees; the trajectory has the network's own scale until it is aligned."""

    split: str
    gt_path: str
    weights: str | None
    predictions: str | None
    trajectory: str | None
    """File of the network's poses, in KITTI's format."""
    frames: int
    length: float
    """Of the true path."""
    ate_5_frames: float
    """As published: mean over snippets of five frames."""
    ate_5_frames_std: float
    scale: float | None
    """Of the similarity that aligns the whole trajectory; None where nothing moves, and so for the next three."""
    ate: float | None
    """Root mean square of positions after this alignment: absolute trajectory error."""
    rpe_translation: float | None
    """Root mean square, from each frame to the next one."""
    rpe_rotation: float | None
    code: dict[str, str]
    """Version, commit and changes of the code that evaluated, and the command; see provenance.py."""
    training: list[dict[str, str]]
    """The same of the code that trained the weights, as often as it changed; [] where that is not known."""


def run(config: EvaluateConfig) -> None:
    """Evaluate, print, write."""
    if config.network.load_weights is not None and config.network.data_path is None:
        config = _with_data_of_run(config, config.network.load_weights)
    sequence = sequence_of(config.truth.split)
    gt_path = config.truth.gt_path or (config.network.data_path or Path()) / "poses" / f"{sequence}.txt"
    truth = read_poses(gt_path, "--gt_path")
    require(len(truth) > 1, f"--gt_path {gt_path}: has one pose only; a trajectory needs two")
    path = writable(config.output or _result_path(config))
    if config.predictions.pred is not None:
        poses, trajectory = read_poses(config.predictions.pred, "--pred"), None
        require(
            len(poses) == len(truth),
            f"--pred {config.predictions.pred}: {len(poses)} poses, but {gt_path} has {len(truth)}",
        )
        motions = motions_of(poses)
    else:
        from .pose_network import motions_of_network  # with torch

        motions = motions_of_network(config, str(sequence), len(truth), gt_path)
        poses, trajectory = chained(motions), writable(path.with_suffix(".txt"))
        write_poses(trajectory, poses)
    result = _result(config, gt_path, truth, motions, poses, trajectory)
    _show(result)
    write_json(path, dataclasses.asdict(result), indent=2)
    print(f"written to {path}" + (f" and {trajectory}" if trajectory else ""))


def _with_data_of_run(config: EvaluateConfig, weights: Path) -> EvaluateConfig:
    """--data_path, and --png with it, of a run on KITTI odometry."""
    from litemono.inference import run_settings

    data = run_settings(weights).get("data", {})
    folder = Path(data.get("data_path", ""))
    if data.get("dataset") != KITTI_ODOMETRY.name or not folder.is_dir():
        raise UserError(f"--split {config.truth.split}: give the folder of KITTI odometry: --data_path KITTI_ODOMETRY")
    flags = dataclasses.replace(config.network, data_path=folder, png=config.network.png or data.get("png", False))
    return dataclasses.replace(config, network=flags)


def _result_path(config: EvaluateConfig) -> Path:
    name = f"odom_{sequence_of(config.truth.split)}.json"
    pred = config.predictions.pred
    return (config.network.load_weights or Path()) / name if pred is None else pred.with_name(f"{pred.stem}_{name}")


def _result(
    config: EvaluateConfig,
    gt_path: Path,
    truth: np.ndarray,
    motions: np.ndarray,
    poses: np.ndarray,
    trajectory: Path | None,
) -> OdometryResult:
    weights, pred = config.network.load_weights, config.predictions.pred
    snippets = snippet_ates(motions, motions_of(truth))
    fit = align(poses, truth)
    errors = None if fit is None else trajectory_errors(fit.applied(poses), truth)
    return OdometryResult(
        split=str(config.truth.split),
        gt_path=str(gt_path),
        weights=None if weights is None else str(weights),
        predictions=None if pred is None else str(pred),
        trajectory=None if trajectory is None else str(trajectory),
        frames=len(truth),
        length=float(np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1).sum()),
        ate_5_frames=float(snippets.mean()),
        ate_5_frames_std=float(snippets.std()),
        scale=None if fit is None else fit.scale,
        ate=None if errors is None else errors.ate,
        rpe_translation=None if errors is None else errors.rpe_translation,
        rpe_rotation=None if errors is None else errors.rpe_rotation,
        code=provenance.of_this(),
        training=provenance.of_training(weights),
    )


def _show(result: OdometryResult) -> None:
    table = Table(title=escape(f"{result.weights or result.predictions}: {result.split}, {result.frames} frames"))
    for head in ("ATE, 5 frames\nm", "ATE\nm", "RPE\nm", "RPE\ndegrees"):
        table.add_column(head, justify="right")
    whole = (result.ate, result.rpe_translation, result.rpe_rotation)
    cells = ("-" if value is None else f"{value:.3f}" for value in whole)
    table.add_row(f"{result.ate_5_frames:.4f} +- {result.ate_5_frames_std:.4f}", *cells)
    Console(width=None if Console().is_terminal else 100).print(table)
    print(
        "ATE, 5 frames: mean over snippets with a scale each, as published; others: one similarity for all, as evo -as"
    )
    if result.scale is None:
        print("the positions lie at a point or on a line, so no similarity can be fitted to them")
    else:
        print(f"scale {result.scale:.3f}; true path {result.length:.1f} m")
