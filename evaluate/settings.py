"""The flags of the evaluate command, in the groups of its --help, and the protocol that they ask for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from litemono.data.settings import default_workers
from litemono.tasks.monodepth.settings import MODEL_HELP
from litemono.utils.errors import UserError, require
from networks.metric_head import METRIC_HEAD_HELP

from .protocol import (
    ALIGNMENT_WORDS,
    PRESETS,
    Alignment,
    Averaging,
    DataSet,
    ImageCrop,
    Occluded,
    Protocol,
    changed,
    default_protocol,
    preset,
)
from .robustness.settings import RobustnessConfig
from .scoring.alignment import IN_DISPARITY, PredictionKind
from .scoring.placing import PredictionCrop
from .windows import WINDOWS, Crop

if TYPE_CHECKING:
    from .scoring.image_set import Truth


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


def is_given(flags: ProtocolConfig) -> bool:
    """Whether flags say how predictions are aligned."""
    return flags.protocol is not None or flags.align is not None or flags.no_median_scaling


def protocol_of(flags: ProtocolConfig, split_name: str, data: DataSet | None = None) -> Protocol:
    """The named protocol, or the split's own, with the parts that flags change. Raises UserError for those that clash.

    data: the data set whose layout the ground truth has, where that is known; see preset().
    """
    if flags.protocol is not None and flags.protocol not in PRESETS:
        raise UserError(f"--protocol {flags.protocol}: there is none of that name; choose one of {', '.join(PRESETS)}")
    base = preset(flags.protocol, data) if flags.protocol else default_protocol(split_name)
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
        fitting = [name for name, other in PRESETS.items() if truth.data in other.data]
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
