"""The flags of litemono export. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from litemono.tasks.monodepth.settings import MODEL_HELP
from litemono.utils.errors import require

SUFFIXES = {"onnx": ".onnx", "pt2": ".pt2", "aoti": ".aoti.pt2"}


@dataclass(frozen=True)
class ExportConfig:
    """Which network, in what form."""

    load_weights: Path
    """Weights folder with encoder.pth and depth.pth, ours (RUN/models/last) or published; or a published file."""
    output: Path | None = None
    """The file to write. Default: MODEL_WIDTHxHEIGHT.onnx (.pt2, .aoti.pt2) in the current folder."""
    model: Annotated[str | None, tyro.conf.arg(help=MODEL_HELP)] = None
    size: str | None = None
    """Input size, WIDTHxHEIGHT in multiples of what the network takes (32). Default: as in the weights."""
    format: Literal["onnx", "pt2", "aoti"] = "onnx"
    """onnx: for ONNX Runtime, OpenVINO, TensorRT; pt2: torch.export; aoti: AOTInductor, compiled for this machine's
    processor, to be run from C++ without Python."""
    opset: int | None = None
    """Of ONNX, 16 to 20. Default: 17, of int8 20."""
    input: Literal["uint8", "float"] = "uint8"
    """uint8: (B, H, W, 3) RGB as decoders give it; float: (B, 3, H, W) in [0, 1]. Normalisation is inside."""
    output_kind: Literal["disparity", "depth"] = "disparity"
    """(B, H, W) float32 inverse depth, or depth."""
    depth_scale: float = 1.0
    """Factor on depths, such as 5.4 after training with KITTI's stereo pairs; it is stored in the file."""
    batch: int | None = None
    """Fix the number of images of a pass. Default: any number."""
    compat: Literal["tensorrt8"] | None = None
    """tensorrt8: float input, opset 16, no padding by reflection and no bicubic resize."""
    hub: Path | None = None
    """Write this folder in the layout of Hugging Face instead: model.safetensors, config.json and a model card."""
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    """Of ONNX. fp16: half the size, for GPUs. int8: convolutions in 8 bits, with ranges from --images or else --split."""
    max_loss: float = 0.005
    """Of fp16 and int8: by which part of itself abs_rel may grow on --split, or, without a split, the mean difference from the
    network in terms of the mean value. Beyond it nothing is written."""
    images: Path | None = None
    """Folder of images from the camera: the file and the network are compared on all of them, and int8 takes its ranges from
    32 of them."""
    split: str | None = None
    """Compare the errors of the file and of the network on the test images of a KITTI split, such as eigen, by the protocol
    of Eigen et al."""
    data_path: Path = Path("kitti_data")
    """KITTI raw, for --split."""
    gt_path: Path | None = None
    """File of export_gt, for --split. Default: gt_depths_SPLIT.npz in data_path."""


def default_opset(precision: str) -> int:
    """From 20 on GELU is one operator. Before it is five, which ONNX Runtime joins, but not between 8-bit convolutions."""
    return 20 if precision == "int8" else 17


def check(config: ExportConfig) -> tuple[int | None, int | None]:
    """Height and width of --size. Raises UserError for flags that do not go together or have impossible values."""
    require(config.opset is None or 16 <= config.opset <= 20, f"--opset {config.opset}: must be from 16 to 20")
    require(config.batch is None or config.batch >= 1, f"--batch {config.batch}: must be at least 1")
    require(0 < config.depth_scale < float("inf"), f"--depth_scale {config.depth_scale}: must be positive")
    if config.compat == "tensorrt8":
        require(config.format == "onnx", f"--compat tensorrt8 is for ONNX, not --format {config.format}")
        require(config.input == "float", "--compat tensorrt8: TensorRT 8 takes no uint8 input; add --input float")
        require(
            config.opset is None or config.opset <= 17,
            f"--compat tensorrt8: it reads opsets up to 17, not {config.opset}",
        )
    require(config.hub is None or config.output is None, "--hub and --output are two results; give one of them")
    judged = config.precision != "fp32" or config.images or config.split
    require(
        config.hub is None or not judged,
        "--hub writes the weights as they are: leave out --precision, --images, --split",
    )
    require(
        config.precision == "fp32" or config.format == "onnx",
        f"--precision {config.precision} is for --format onnx, not {config.format}",
    )
    require(
        config.precision != "int8" or config.images or config.split,
        "--precision int8 needs real frames for its ranges; add --images FOLDER, or --split with --data_path",
    )
    require(0 <= config.max_loss < float("inf"), f"--max_loss {config.max_loss}: must be at least 0")
    suffix = SUFFIXES[config.format]
    require(
        config.output is None or config.output.name.endswith(suffix),
        f"--output {config.output}: the name must end with {suffix} for --format {config.format}",
    )
    if config.size is None:
        return None, None
    parts = config.size.lower().split("x")
    valid = len(parts) == 2 and all(part.isdecimal() and 0 < int(part) < 2**15 for part in parts)
    require(valid, f"--size {config.size}: give WIDTHxHEIGHT, such as 640x192")
    return int(parts[1]), int(parts[0])
