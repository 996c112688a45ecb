"""The kinds of file: each writer puts a network into one, and returns that file at work."""

from __future__ import annotations

import contextlib
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from litemono.exporting.folded import folded
from litemono.exporting.fused import without_reflection
from litemono.exporting.job import Job, Runner
from litemono.exporting.onnx_file import CHECKSUM, INSTALL, ZEROS, OnnxNetwork, with_checksum
from litemono.exporting.precision import lowered
from litemono.exporting.settings import default_opset
from litemono.utils.errors import UserError


def write_onnx(job: Job, path: Path) -> Runner:
    config = job.config
    try:
        import onnx
        import onnxruntime  # noqa: F401  # asked for before the work
    except ImportError as error:
        raise UserError(f"--format onnx needs {error.name}; {INSTALL}") from None
    tensorrt8 = config.compat == "tensorrt8"
    # fp16 keeps LayerNorm as one operator: runtimes sum its squares in float32
    network = job.fused if config.precision == "fp16" else folded(job.fused)
    axes = None if config.batch is not None else {"image": {0: "batch"}, config.output_kind: {0: "batch"}}
    with _quiet():
        torch.onnx.export(
            without_reflection(network) if tensorrt8 else network,
            (job.example(),),
            str(path),
            dynamo=False,  # torch.export's way starts at opset 18, takes ten times as long and fixes DPT's batch
            opset_version=16 if tensorrt8 else config.opset or default_opset(config.precision),
            input_names=["image"],
            output_names=[config.output_kind],
            dynamic_axes=axes,
        )
    model = lowered(onnx.load(path), job)
    model.producer_name, model.producer_version = "litemono", job.about.version
    onnx.helper.set_model_props(model, {**job.about.as_properties(), CHECKSUM: ZEROS})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(with_checksum(model.SerializeToString()))
    return OnnxNetwork(path).run


def write_pt2(job: Job, path: Path) -> Runner:
    content = {"litemono.json": json.dumps(job.about._asdict(), indent=2)}
    torch.export.save(_program(job), path, extra_files=content)
    _seal(path)
    module = torch.export.load(path).module()
    return lambda images: module(job.as_input(images)).numpy()


def write_aoti(job: Job, path: Path) -> Runner:
    from torch import _inductor as inductor

    program = _program(job)
    settings = {"aot_inductor.metadata": {**job.about.as_properties(), "litemono.batch": str(job.config.batch or 0)}}
    try:
        with _quiet():
            inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=settings)
    except Exception as error:
        line = str(error).strip().splitlines()[-1]
        raise UserError(
            f"--format aoti: AOTInductor failed ({line}); it needs a C++ compiler (g++), and a release of torch that supports "
            "the network's operators: use --format onnx or pt2"
        ) from None
    _seal(path)
    package = inductor.aoti_load_package(str(path))
    return lambda images: package(job.as_input(images)).numpy()


WRITERS: dict[str, Callable[[Job, Path], Runner]] = {"onnx": write_onnx, "pt2": write_pt2, "aoti": write_aoti}


def _program(job: Job) -> torch.export.ExportedProgram:
    config = job.config
    shapes = None if config.batch is not None else {"image": {0: torch.export.Dim("batch", min=1, max=1024)}}
    try:
        with _quiet():
            return torch.export.export(folded(job.fused), (job.example(),), dynamic_shapes=shapes, strict=False)
    except Exception as error:
        if config.batch is not None:
            raise
        line = str(error).strip().splitlines()[0]
        raise UserError(
            f"--format {config.format}: torch.export fixes the number of images of {job.fused.net.name} ({line}); say which: "
            "--batch 1"
        ) from None


def _seal(path: Path) -> None:
    """Put the checksum of a zip archive into its comment."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = f"{CHECKSUM}={ZEROS}".encode()
    path.write_bytes(with_checksum(path.read_bytes()))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns about every size that is fixed in the file, which is meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
