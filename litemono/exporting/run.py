"""What `litemono export` does once its flags are right: write the file, run it, compare it with the network."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from litemono import __version__
from litemono.export import SUFFIXES, ExportConfig
from litemono.fused import FusedDepth, without_reflection
from litemono.inference import TrainedDepth, load_trained
from litemono.onnx_file import CHECKSUM, INSTALL, ZEROS, About, OnnxNetwork, with_checksum
from litemono.utils.atomic_files import replacing
from litemono.utils.commit import code_commit
from litemono.utils.errors import UserError, require

TOLERANCE = 1e-4  # of the largest value; ONNX Runtime was measured at 1e-6
LICENCE = "the code is MIT; weights have the licence of their data and authors"

Runner = Callable[[np.ndarray], np.ndarray]
"""(B, H, W, 3) uint8 -> (B, H, W): the written file at work."""


def run(config: ExportConfig, height: int | None, width: int | None) -> None:
    """Write, compare, then put the file in its place; UserError leaves nothing behind."""
    require(config.load_weights.suffix != ".onnx", f"--load_weights {config.load_weights}: is exported already")
    trained = load_trained(config.load_weights, config.model, torch.device("cpu"), height, width)
    net = trained.net
    height, width = net.height, net.width
    if not net.spec.input.fits(height, width):
        nearest = net.spec.input.nearest(height, width)
        raise UserError(f"--size {width}x{height}: {net.name} computes at sizes such as {nearest[1]}x{nearest[0]}")
    fused = FusedDepth(trained, config.input, config.output_kind, config.depth_scale).eval()
    about = _about(config, trained)
    output = config.output or Path(f"{net.name}_{width}x{height}{SUFFIXES[config.format]}")
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        draft = Path(folder) / f"draft{SUFFIXES[config.format]}"
        runner = WRITERS[config.format](config, fused, about, draft)
        difference = _difference(config, fused, runner)
        with replacing(output) as file, draft.open("rb") as content:
            shutil.copyfileobj(content, file)
    shape = "B, H, W, 3, uint8" if config.input == "uint8" else "B, 3, H, W, float32 in [0, 1]"
    print(
        f"{output}: {net.name} {width}x{height}, {output.stat().st_size / 1e6:.1f} MB; ({shape}) -> {config.output_kind}"
    )
    print(f"differs from the network by {difference:.1e} of its largest value at most, on noise and on smooth images")


def _about(config: ExportConfig, trained: TrainedDepth) -> About:
    net, folder = trained.net, config.load_weights
    files = [folder] if folder.is_file() else [folder / file for _, file in net.spec.weights.files]
    checksum = hashlib.sha256()
    for file in files:
        checksum.update(file.read_bytes())
    least, largest = trained.depth_range or (0.0, 0.0)
    return About(
        model=net.name,
        height=net.height,
        width=net.width,
        input=config.input,
        output=config.output_kind,
        kind=trained.kind,
        min_depth=least,
        max_depth=largest,
        depth_scale=config.depth_scale,
        precision="fp32",
        weights=folder.name,
        weights_sha256=checksum.hexdigest(),
        licence=LICENCE,
        commit=code_commit(),
        version=__version__,
    )


def _frames(config: ExportConfig, height: int, width: int) -> Iterator[np.ndarray]:
    """(B, H, W, 3) uint8: noise and smooth images, in passes of one and of three images, or of the fixed number."""
    draw = np.random.default_rng(0)
    for count in (1, 3) if config.batch is None else (config.batch,):
        yield draw.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
        coarse = torch.from_numpy(draw.random((count, 3, 6, 20), np.float32))
        smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
        yield (255 * smooth).byte().permute(0, 2, 3, 1).contiguous().numpy()


def _difference(config: ExportConfig, fused: FusedDepth, runner: Runner) -> float:
    """The largest, relative to the largest value. UserError above the tolerance."""
    worst = 0.0
    for images in _frames(config, fused.net.height, fused.net.width):
        expected = fused(_as_input(images, config)).numpy()
        off = np.abs(runner(images) - expected).max() / np.abs(expected).max()
        worst = max(worst, float(off)) if np.isfinite(off) else float("inf")
    require(
        worst <= TOLERANCE,
        f"--format {config.format}: the exported network differs from the original by {worst:.1e} of its largest value "
        f"(allowed: {TOLERANCE:.0e}), so nothing was written; try another --opset or torch release",
    )
    return worst


def _as_input(images: np.ndarray, config: ExportConfig) -> Tensor:
    tensor = torch.from_numpy(images)
    return tensor if config.input == "uint8" else tensor.permute(0, 3, 1, 2).contiguous().float() / 255


def _example(config: ExportConfig, fused: FusedDepth) -> Tensor:
    shape = (config.batch or 2, fused.net.height, fused.net.width, 3)
    return _as_input(np.full(shape, 100, np.uint8), config)


# ---------------------------------------------------------------- formats


def _write_onnx(config: ExportConfig, fused: FusedDepth, about: About, path: Path) -> Runner:
    try:
        import onnx
        import onnxruntime  # noqa: F401  # asked for before the work
    except ImportError as error:
        raise UserError(f"--format onnx needs {error.name}; {INSTALL}") from None
    exported = without_reflection(fused) if config.compat == "tensorrt8" else fused
    opset = 16 if config.compat == "tensorrt8" else config.opset
    axes = None if config.batch is not None else {"image": {0: "batch"}, config.output_kind: {0: "batch"}}
    with _quiet():
        torch.onnx.export(
            exported,
            (_example(config, fused),),
            str(path),
            dynamo=False,  # torch.export's way starts at opset 18, takes ten times as long and fixes DPT's batch
            opset_version=opset,
            input_names=["image"],
            output_names=[config.output_kind],
            dynamic_axes=axes,
        )
    model = onnx.load(path)
    model.producer_name, model.producer_version = "litemono", about.version
    onnx.helper.set_model_props(model, {**about.as_properties(), CHECKSUM: ZEROS})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(with_checksum(model.SerializeToString()))
    return OnnxNetwork(path).run


def _program(config: ExportConfig, fused: FusedDepth) -> torch.export.ExportedProgram:
    shapes = None if config.batch is not None else {"image": {0: torch.export.Dim("batch", min=1, max=1024)}}
    try:
        with _quiet():
            return torch.export.export(fused, (_example(config, fused),), dynamic_shapes=shapes, strict=False)
    except Exception as error:
        if config.batch is not None:
            raise
        line = str(error).strip().splitlines()[0]
        raise UserError(
            f"--format {config.format}: torch.export fixes the number of images of {fused.net.name} ({line}); say which: "
            "--batch 1"
        ) from None


def _write_pt2(config: ExportConfig, fused: FusedDepth, about: About, path: Path) -> Runner:
    content = {"litemono.json": json.dumps(about._asdict(), indent=2)}
    torch.export.save(_program(config, fused), path, extra_files=content)
    _seal(path)
    module = torch.export.load(path).module()
    return lambda images: module(_as_input(images, config)).numpy()


def _write_aoti(config: ExportConfig, fused: FusedDepth, about: About, path: Path) -> Runner:
    from torch import _inductor as inductor

    program = _program(config, fused)
    settings = {"aot_inductor.metadata": {**about.as_properties(), "litemono.batch": str(config.batch or 0)}}
    try:
        with _quiet():
            inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=settings)
    except Exception as error:
        line = str(error).strip().splitlines()[-1]
        raise UserError(
            f"--format aoti: AOTInductor failed ({line}); it needs a C++ compiler (g++), and a release of torch that knows "
            "the network's operators: use --format onnx or pt2"
        ) from None
    _seal(path)
    package = inductor.aoti_load_package(str(path))
    return lambda images: package(_as_input(images, config)).numpy()


def _seal(path: Path) -> None:
    """Put the checksum of a zip archive into its comment."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = f"{CHECKSUM}={ZEROS}".encode()
    path.write_bytes(with_checksum(path.read_bytes()))


WRITERS: dict[str, Callable[[ExportConfig, FusedDepth, About, Path], Runner]] = {
    "onnx": _write_onnx,
    "pt2": _write_pt2,
    "aoti": _write_aoti,
}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns about every size that is fixed in the file, which is meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
