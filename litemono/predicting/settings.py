"""The flags of `litemono predict`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from litemono.data.intrinsics import Intrinsics, parse_intrinsics
from litemono.data.settings import default_workers
from litemono.tasks.monodepth.settings import MODEL_HELP
from litemono.utils.errors import UserError, require
from networks.metric_head import METRIC_HEAD_HELP, metric_head

BackendName = Literal["auto", "torch", "onnxruntime", "openvino"]


@dataclass(frozen=True)
class PredictConfig:
    """Which pictures, by which network, to where."""

    load_weights: Path
    """Weights folder with encoder.pth and depth.pth, ours (RUN/models/weights_29) or published; or a file of litemono export."""
    input: Path
    """An image, a folder of images, a pattern in quotes ('frames/*.png'), a video (.mp4, .avi, .mov, .mkv, .webm), or the number
    of a camera (0)."""
    output: Path | None = None
    """Folder for the results: NAME_disp.jpeg of an image, NAME_disp.mp4 of a video, and with --video none
    NAME/000000_disp.jpeg and so on. Default: beside the input."""
    model: Annotated[str | None, tyro.conf.arg(help=MODEL_HELP)] = None
    height: int | None = None
    """Input height. The network resizes images to the nearest multiple of 32, and its output back. Default: as in encoder.pth."""
    width: int | None = None
    """Input width. Default: as in encoder.pth."""
    metric_head: Annotated[str | None, tyro.conf.arg(metavar="NAME|SCALE,SHIFT", help=METRIC_HEAD_HELP)] = None
    save_npy: bool = False
    """Also write NAME_disp.npy: scaled disparity (inverse depth) at the network's size, (1, 1, height, width) float32."""
    depth_png: bool = False
    """Also write NAME_depth.png of the image's size: 16-bit PNG, depth times --depth_factor. In metres where the network was
    trained in metres, else in its unknown unit; refused for relative depth."""
    depth_factor: float = 256.0
    """Of --depth_png: the number that stands for one metre. 256 as KITTI, 1000 for millimetres."""
    frozen_depth: Path | None = None
    """With weights of litemono refine: folder with the depth that another network gave the images, by their names (a_depth.png,
    a.png, a.npy or a_disp.npy for a.jpg)."""
    frozen_factor: float = 256.0
    """Numbers for one metre in PNGs of --frozen_depth, as in training."""
    ply: bool = False
    """Also write NAME_points.ply: one coloured point for each pixel. Needs --intrinsics."""
    intrinsics: str | None = None
    """The camera of --ply: fx,fy,cx,cy in pixels of the original images."""
    video: Literal["side-by-side", "depth", "none"] | None = None
    """Write a film, without sound, instead of pictures. Default: side-by-side (input left, depth right) for a video or camera,
    none for images."""
    fps: float | None = None
    """Images per second of a film that is made of images. Default: 10."""
    smooth: float = 0.0
    """Steady the scale and the colours of successive frames: weight of the past in [0, 1), such as 0.9. 0: each by itself."""
    max_frames: int | None = None
    """Stop after so many frames of the input."""
    ext: str | None = None
    """Take only images of this extension from the folder (jpg, png, ...). Default: every image."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    backend: BackendName = "auto"
    """What runs the network. auto: on a CPU, for more than a few images, OpenVINO or else ONNX Runtime where they are
    installed; otherwise torch. Results agree within 1e-4 of the largest value, which is checked at the start."""
    batch_size: int | None = None
    """Images per forward pass. Default: 1 on a CPU, which is fastest there, 8 on a GPU."""
    num_workers: int = field(default_factory=default_workers)
    """Threads that read and write images; on a CPU also the most images that are predicted side by side, one per core.
    Default: one per core, at most 8."""


def check(config: PredictConfig) -> None:
    """UserError for impossible values, and for flags that do not go together."""
    for name in ("batch_size", "num_workers", "max_frames"):
        value = getattr(config, name)
        require(value is None or value >= 1, f"--{name} {value}: must be at least 1")
    if config.metric_head is not None:
        metric_head(config.metric_head)
    for name in ("depth_factor", "frozen_factor"):
        require(0 < getattr(config, name) < float("inf"), f"--{name} {getattr(config, name):g}: must be above 0")
    for factor, needs in (("depth_factor", "depth_png"), ("frozen_factor", "frozen_depth")):
        given = getattr(config, factor) != PredictConfig.__dataclass_fields__[factor].default
        require(not given or getattr(config, needs), f"--{factor}: belongs to --{needs}, which is not given")
    folder = config.frozen_depth
    require(folder is None or folder.is_dir(), f"--frozen_depth {folder}: no such folder")
    require(config.fps is None or 0 < config.fps <= 1000, f"--fps {config.fps}: must be above 0, and 1000 at most")
    require(0 <= config.smooth < 1, f"--smooth {config.smooth:g}: must be at least 0 and below 1")
    require(config.ply == (config.intrinsics is not None), "--ply and --intrinsics fx,fy,cx,cy go together; give both")
    if config.intrinsics is not None:
        camera(config.intrinsics)


def camera(intrinsics: str) -> Intrinsics:
    """fx, fy, cx, cy in pixels. Raises UserError."""
    parsed = parse_intrinsics(intrinsics)
    if isinstance(parsed, str):
        raise UserError(f"--intrinsics {intrinsics}: points need numbers: fx,fy,cx,cy in pixels of the original images")
    return parsed
