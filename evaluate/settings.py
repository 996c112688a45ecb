"""The flags of the evaluate command, in the groups of its --help, and the checks that need no data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from litemono.data.settings import default_workers
from litemono.tasks.monodepth.settings import MODEL_HELP
from litemono.utils.errors import UserError, require
from networks.metric_head import METRIC_HEAD_HELP, metric_head

from .protocol import (
    ALIGNMENT_WORDS,
    PRESETS,
    Alignment,
    Averaging,
    ImageCrop,
    Occluded,
    Protocol,
    changed,
    default_protocol,
)
from .robustness.settings import RobustnessConfig, check_robustness
from .scoring.alignment import IN_DISPARITY, PredictionKind
from .scoring.placing import PredictionCrop
from .scoring.windows import WINDOWS, Crop

if TYPE_CHECKING:
    from .sources.truth import Truth


@dataclass(frozen=True)
class NetworkConfig:
    """Evaluate a network: its weights, and the images that it looks at."""

    load_weights: Path | None = None
    """Weights folder with encoder.pth and depth.pth, ours (RUN/models/weights_29) or published."""
    model: Annotated[str | None, tyro.conf.arg(help=MODEL_HELP)] = None
    metric_head: Annotated[str | None, tyro.conf.arg(metavar="NAME|SCALE,SHIFT", help=METRIC_HEAD_HELP)] = None
    height: int | None = None
    """Input height. The network resizes images to the nearest multiple of 32, and its output back. Default: as in encoder.pth."""
    width: int | None = None
    """Input width. Default: as in encoder.pth."""
    data_path: Path | None = None
    """KITTI raw folder with the test images. Default: the run's own if it is one, else kitti_data."""
    png: bool = False
    """Of a frame that is there as .png (as KITTI ships it) and as .jpg, take the .png; either is read where it is alone."""
    all_epochs: bool = False
    """Evaluate every models/weights_N of the run folder --load_weights in one pass over the images, and plot the curve."""
    last_epochs: int | None = None
    """The same for the last so many epochs."""
    save_pred: Path | None = None
    """Also write the scaled disparities to this .npy file, (images, height, width) float32."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    batch_size: int = 16
    """Images per forward pass."""

    @property
    def many_epochs(self) -> bool:
        return self.all_epochs or self.last_epochs is not None


@dataclass(frozen=True)
class PredictionConfig:
    """Or evaluate predictions that are there already, of any program."""

    pred: Annotated[Path | None, tyro.conf.arg(aliases=("--load_pred",))] = None
    """Folder of maps named like their images (16-bit .png, .npy, .npz, .pfm, .tif), .npz of named maps, or one array (.npy) of
    all test images in the split's order, as --save_pred writes it."""
    pred_is: Annotated[PredictionKind | None, tyro.conf.arg(metavar="depth|disparity|relative")] = None
    """What its numbers are: metres, inverse depth up to a scale, or inverse depth up to scale and shift.
    Default: depth for .png, disparity for one array."""
    png_factor: float = 256.0
    """Of 16-bit .png and .tif: the number that stands for one metre."""
    pred_crop: PredictionCrop = "auto"
    """kb: maps are the 352x1216 crop of BTS and are put in its place; auto: if they have that size and the image has not."""


@dataclass(frozen=True)
class TruthConfig:
    """What predictions are compared with."""

    split: str | None = None
    """Name of a folder in splits/, or path of a folder with test_files.txt; odom_00 to odom_10: the pose network, or a trajectory
    given as --pred, on a sequence of KITTI odometry. Default: eigen; all images of the --gt_path where
    that is a folder and predictions have names."""
    gt_path: Path | None = None
    """File of export_gt, or published gt_depths.npz; or a folder: KITTI's depth annotations, a TUM sequence, Sintel, or maps of
    any kind. Default: gt_depths_SPLIT.npz in data_path."""
    gt_factor: float | None = None
    """Of 16-bit .png ground truth: the number that stands for one metre. Default: 256; 5000 for TUM, 1000 for NYU."""
    allow_missing: bool = False
    """Evaluate the images that have a prediction, if some have none."""


@dataclass(frozen=True)
class ProtocolConfig:
    """How they are compared: a published protocol, and single parts that differ from it."""

    protocol: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="NAME",
            help=f"{', '.join(PRESETS)}. Default: eigen_benchmark for that split, else eigen (Garg crop, 80 m, median "
            "scaling).",
        ),
    ] = None
    crop: Annotated[Crop | None, tyro.conf.arg(metavar="|".join(WINDOWS))] = None
    """Window of the ground truth that is scored; kb-garg and kb-eigen lie inside the 352x1216 crop of BTS."""
    cap: Annotated[float | Literal["none"] | None, tyro.conf.arg(metavar="METRES|none")] = None
    """Greatest depth in metres, of ground truth that counts and of predictions."""
    align: Annotated[Alignment | None, tyro.conf.arg(metavar="|".join(ALIGNMENT_WORDS))] = None
    """How a prediction is brought to metres: median scaling; least squares of depth (scale; lstsq: scale and shift) or of
    inverse depth (scale_shift_disparity: per image; per_video)."""
    averaging: Annotated[Averaging | None, tyro.conf.arg(metavar="image|pixel")] = None
    """Mean over images, or over all pixels."""
    image_crop: Annotated[ImageCrop | None, tyro.conf.arg(metavar="none|kb")] = None
    """kb: a network sees the 352x1216 corner of each image, as with BTS and its descendants. Default: none; kb for bts and
    marigold."""
    occluded: Annotated[Occluded | None, tyro.conf.arg(metavar="keep|leave_out")] = None
    """Sintel's pixels that the other frame does not see. Default: keep, as MiDaS does."""
    post_process: bool = False
    """Average with the prediction for the mirrored image (monodepth's flip post-processing)."""
    no_median_scaling: bool = False
    """The same as --align none: for networks trained with stereo pairs, with --pred_depth_scale 5.4."""
    pred_depth_scale: float = 1.0
    """Factor on predicted depths."""


@dataclass(frozen=True)
class EvaluateConfig:
    """What is evaluated, against what, by which protocol."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    predictions: PredictionConfig = field(default_factory=PredictionConfig)
    truth: TruthConfig = field(default_factory=TruthConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    robustness: RobustnessConfig = field(default_factory=RobustnessConfig)
    output: Path | None = None
    """Where to write the errors as JSON. Default: eval_SPLIT.json in the weights folder, or beside the predictions."""
    against: Path | None = None
    """JSON of another evaluation of the same images: print the paired difference with its interval."""
    report: Path | None = None
    """Also write this HTML file: numbers, error distributions, worst and best images, settings. It needs no network."""
    compare: tuple[Path, ...] = ()
    """Instead of one network or prediction: several weights folders or predictions, side by side in --report."""
    num_workers: int = field(default_factory=default_workers)
    """Threads that read images. Default: one per core, at most 8."""


def check(config: EvaluateConfig) -> None:
    """Raise UserError for flags that do not go together or have impossible values."""
    if config.compare:
        check_comparison(config)
        for one in compared(config):
            check(one)
        return
    network = config.network.load_weights is not None
    require(
        network != (config.predictions.pred is not None),
        "give either --load_weights FOLDER or --pred FOLDER_OR_FILE (also called --load_pred)",
    )
    require(
        network or not (config.protocol.post_process or config.network.save_pred),
        "--post_process and --save_pred need a network: they do not go with --pred",
    )
    require(
        not network or config.protocol.align != "per_video",
        "--align per_video reads predictions two times: write them with --save_pred, then give them as --pred",
    )
    if config.network.metric_head is not None:
        require(network, "--metric_head needs a network: it does not go with --pred")
        metric_head(config.network.metric_head)
    check_robustness(config.robustness, network)
    for name, given in (
        ("against", config.against),
        ("save_pred", config.network.save_pred),
        ("report", config.report),
    ):
        require(
            not (given and config.robustness.corruptions), f"--{name} does not go with --corruptions; leave one out"
        )
    check_epochs(config)
    folder = config.network.data_path
    require(folder is None or folder.is_dir(), f"--data_path {folder}: there is no such folder")
    require(
        network or folder is not None or config.truth.gt_path is not None,
        "--pred needs ground truth: --gt_path FILE_OR_FOLDER (or --data_path)",
    )
    for name, factor in (("png_factor", config.predictions.png_factor), ("gt_factor", config.truth.gt_factor)):
        require(factor is None or 0 < factor < float("inf"), f"--{name} {factor}: must be positive")
    for name, value in (("batch_size", config.network.batch_size), ("num_workers", config.num_workers)):
        require(value >= 1, f"--{name} {value}: must be at least 1")
    protocol_of(config.protocol, "")
    scale = config.protocol.pred_depth_scale
    require(0 < scale < float("inf"), f"--pred_depth_scale {scale}: must be positive")


def check_comparison(config: EvaluateConfig) -> None:
    """Raise UserError for flags that do not go with --compare."""
    require(len(config.compare) > 1, "--compare: give two or more weights folders or predictions")
    require(config.report is not None, "--compare needs a file to write: --report comparison.html")
    single = {
        "--load_weights": config.network.load_weights,
        "--pred": config.predictions.pred,
        "--save_pred": config.network.save_pred,
        "--against": config.against,
        "--output": config.output,
        "--all_epochs": config.network.many_epochs,
        "--corruptions": config.robustness.corruptions,
    }
    given = ", ".join(name for name, value in single.items() if value)
    require(not given, f"{given}: does not go with --compare; leave it out")
    for path in config.compare:
        require(path.exists(), f"--compare {path}: there is no such file or folder")


def compared(config: EvaluateConfig) -> list[EvaluateConfig]:
    """The evaluations of --compare: a folder with .pth or .pt files is a network, everything else are predictions."""
    return [_one_of(config, path) for path in config.compare]


def _one_of(config: EvaluateConfig, path: Path) -> EvaluateConfig:
    if path.suffix == ".pt" or (path.is_dir() and any(file.suffix in (".pth", ".pt") for file in path.iterdir())):
        return replace(config, compare=(), network=replace(config.network, load_weights=path))
    return replace(config, compare=(), predictions=replace(config.predictions, pred=path))


def check_epochs(config: EvaluateConfig) -> None:
    """Raise UserError for flags that do not go with several epochs."""
    last, flags = config.network.last_epochs, config.network
    require(last is None or last >= 1, f"--last_epochs {last}: must be at least 1")
    if not flags.many_epochs:
        return
    require(
        flags.load_weights is not None, "--all_epochs and --last_epochs need a run folder: --load_weights runs/mytrain"
    )
    other = {
        "--corruptions": config.robustness.corruptions or None,
        "--save_pred": flags.save_pred,
        "--against": config.against,
        "--output": config.output,
        "--report": config.report,
    }
    given = ", ".join(name for name, value in other.items() if value is not None)
    require(not given, f"{given}: for one evaluation; leave it out, or give one of the epochs as --load_weights")


def is_given(flags: ProtocolConfig) -> bool:
    """Whether flags say how predictions are aligned."""
    return flags.protocol is not None or flags.align is not None or flags.no_median_scaling


def protocol_of(flags: ProtocolConfig, split_name: str) -> Protocol:
    """The named protocol, or the split's own, with the parts that flags change. Raises UserError for those that clash."""
    if flags.protocol is not None and flags.protocol not in PRESETS:
        raise UserError(f"--protocol {flags.protocol}: there is none of that name; choose one of {', '.join(PRESETS)}")
    base = PRESETS[flags.protocol] if flags.protocol else default_protocol(split_name)
    require(
        not (flags.no_median_scaling and flags.align not in (None, "none")),
        f"--no_median_scaling and --align {flags.align} contradict each other; leave one out",
    )
    if isinstance(flags.cap, float):
        require(base.min_depth < flags.cap < float("inf"), f"--cap {flags.cap}: must be above {base.min_depth:g} m")
    protocol = changed(
        base,
        crop=flags.crop,
        alignment="none" if flags.no_median_scaling else flags.align,
        averaging=flags.averaging,
        image_crop=flags.image_crop,
        occluded=flags.occluded,
        cap=None if flags.cap == "none" else flags.cap,
        post_process=flags.post_process or None,
        pred_depth_scale=flags.pred_depth_scale,
    )
    return replace(protocol, cap=None) if flags.cap == "none" else protocol


def check_protocol(protocol: Protocol, truth: Truth) -> None:
    """Raise UserError for a protocol that does not fit the ground truth."""
    if truth.data is not None and truth.data not in protocol.data:
        fitting = [name for name, preset in PRESETS.items() if truth.data in preset.data]
        raise UserError(
            f"--protocol {protocol.name} is not for {truth.path}, which has {truth.data.upper()}'s layout; "
            f"choose {' or '.join(fitting)}"
        )


def check_kind(protocol: Protocol, kind: PredictionKind) -> None:
    """Raise UserError for a protocol that does not fit what is predicted."""
    if kind == "relative" and protocol.alignment not in IN_DISPARITY:
        raise UserError(
            f"--pred_is relative has no depth without a fit of its scale and shift, and protocol {protocol.name} has "
            f"{ALIGNMENT_WORDS[protocol.alignment]}; add --align scale_shift_disparity"
        )
