"""A protocol is data: which pixels count, how predictions are brought to metres, what is averaged.

PRESETS names those of the field.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from litemono.metrics import NINE

from .windows import Crop

Alignment = Literal["none", "median", "scale", "lstsq", "scale_shift_disparity", "per_video"]
Averaging = Literal["image", "pixel"]
ImageCrop = Literal["none", "kb"]
Occluded = Literal["keep", "leave_out"]
DataSet = Literal["kitti", "tum", "sintel", "nyu", "eth3d"]

EIGEN_METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3")


@dataclass(frozen=True)
class Protocol:
    """How predictions are judged. The default is the field's: Garg crop, 80 m, median scaling, mean over images."""

    name: str = "eigen"
    crop: Crop = "garg"
    image_crop: ImageCrop = "none"
    """What a network sees of each image; kb: its 352x1216 corner. Predictions in files are placed by their size."""
    min_depth: float = 1e-3
    """Metres; predictions are raised to it, after the alignment."""
    cap: float | None = 80.0
    """Metres; predictions are lowered to it, after the alignment. None: no limit."""
    cap_truth: bool = True
    """Leave out pixels whose ground truth is not between min_depth and cap; otherwise every measured pixel counts."""
    alignment: Alignment = "median"
    averaging: Averaging = "image"
    """Each image counts the same, or each pixel of the whole set."""
    post_process: bool = False
    """Average with the prediction for the mirrored image; for networks."""
    occluded: Occluded = "keep"
    """Sintel's pixels that the other frame does not see (white in occlusions/)."""
    pred_depth_scale: float = 1.0
    """Factor on predicted depth, before the alignment."""
    data: tuple[DataSet, ...] = ("kitti",)
    """The data sets it was published for."""
    headline: tuple[str, ...] = EIGEN_METRICS
    """The metrics of its table, in their order."""

    @property
    def median_scaling(self) -> bool:
        return self.alignment == "median"

    @property
    def ranked_by(self) -> str:
        """The metric that says which of two is better: abs_rel, or the first of its table."""
        return "abs_rel" if "abs_rel" in self.headline else self.headline[0]


def _midas(data: DataSet, cap: float, headline: str, *, cap_truth: bool) -> Protocol:
    """Zero-shot protocol of Ranftl et al. 2020: scale and shift of inverse depth per image, one number per data set."""
    return Protocol(
        f"midas-{data}", "none", cap=cap, cap_truth=cap_truth, alignment="scale_shift_disparity", data=(data,),
        headline=(headline,),
    )  # fmt: skip


PRESETS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(),
        Protocol("eigen-50m", cap=50.0),
        # Uhrig et al. 2017: improved ground truth, 652 of the 697 images, every annotated pixel
        Protocol("eigen_benchmark", "none", cap_truth=False),
        # BTS, AdaBins, ZoeDepth: image and ground truth are cut to 352x1216 before the Garg crop
        Protocol("bts", "kb-garg", "kb", alignment="none", headline=NINE),
        # The script of BTS and DPT: the same nine, but the window of the full-size ground truth
        Protocol("eval-with-pngs", "garg", alignment="none", headline=NINE),
        Protocol("eval-with-pngs-nyu", "nyu", cap=10.0, alignment="none", headline=NINE, data=("nyu",)),
        Protocol(
            "kitti-devkit", "none", cap=None, cap_truth=False, alignment="none",
            headline=("silog", "sq_error_rel", "abs_rel", "irmse", "imae", "rmse", "mae"),
        ),
        _midas("kitti", 80.0, "bad_125", cap_truth=False),
        _midas("tum", 10.0, "bad_125", cap_truth=False),
        _midas("nyu", 10.0, "bad_125", cap_truth=True),
        _midas("sintel", 72.0, "abs_rel", cap_truth=True),
        _midas("eth3d", 72.0, "abs_rel", cap_truth=True),
        # Ke et al. 2024: depth fitted by scale and shift; on KITTI 352x1216 and Eigen's crop
        Protocol("marigold", "kb-eigen", "kb", min_depth=1e-5, alignment="lstsq", headline=("abs_rel", "d1")),
        Protocol("marigold-nyu", "nyu", cap=10.0, alignment="lstsq", data=("nyu",), headline=("abs_rel", "d1")),
        Protocol(
            "marigold-eth3d", "none", min_depth=1e-5, cap=None, alignment="lstsq", data=("eth3d",), headline=("abs_rel", "d1"),
        ),
        # Yang et al. 2024, zero-shot table: inverse depth fitted by scale and shift
        Protocol(
            "depth-anything", "none", alignment="scale_shift_disparity", data=("kitti", "nyu", "sintel", "eth3d"),
            headline=("abs_rel", "d1"),
        ),
    )
}  # fmt: skip

ALIGNMENT_WORDS: dict[str, str] = {
    "none": "no alignment",
    "median": "median scaling per image",
    "scale": "least-squares scale of depth per image",
    "lstsq": "least-squares scale and shift of depth per image",
    "scale_shift_disparity": "least-squares scale and shift of inverse depth per image",
    "per_video": "least-squares scale and shift of inverse depth per video",
}
CROP_WORDS: dict[str, str] = {
    "none": "all pixels",
    "garg": "Garg crop",
    "eigen": "Eigen crop",
    "nyu": "NYU crop",
    "kb": "KB crop",
    "kb-garg": "Garg crop of the KB crop",
    "kb-eigen": "Eigen crop of the KB crop",
}


def preset(name: str, data: DataSet | None) -> Protocol:
    """By its name; where ground truth has the layout of a data set that NAME-DATA was published for, that one."""
    return PRESETS.get(f"{name}-{data}", PRESETS[name])


def default_protocol(split_name: str) -> Protocol:
    """eigen_benchmark counts every annotated pixel, as published; all other splits the Garg crop up to 80 m."""
    return PRESETS["eigen_benchmark" if split_name == "eigen_benchmark" else "eigen"]


def changed(base: Protocol, **parts: Any) -> Protocol:
    """`base` with those parts that are not None."""
    return replace(base, **{name: value for name, value in parts.items() if value is not None})


def changes(protocol: Protocol) -> dict[str, Any]:
    """The parts that decide numbers in which `protocol` differs from the preset of its name."""
    named = asdict(PRESETS[protocol.name])
    return {name: value for name, value in asdict(protocol).items() if name != "headline" and value != named[name]}


def describe(protocol: Protocol) -> str:
    """One line: everything that decides the numbers."""
    limit = "no cap" if protocol.cap is None else f"cap {protocol.cap:g} m"
    if not protocol.cap_truth:
        limit += " on predictions, every measured pixel counts"
    image = ["networks see the KB crop"] if protocol.image_crop == "kb" else []
    parts = [*image, CROP_WORDS[protocol.crop], limit, ALIGNMENT_WORDS[protocol.alignment]]
    if protocol.pred_depth_scale != 1:
        parts.append(f"depth times {protocol.pred_depth_scale:g}")
    parts.append(f"mean over {protocol.averaging}s")
    if protocol.post_process:
        parts.append("flip post-processing")
    if protocol.occluded == "leave_out":
        parts.append("occluded pixels left out")
    name = protocol.name + (" (changed)" if changes(protocol) else "")
    return f"protocol {name}: {', '.join(parts)}"
