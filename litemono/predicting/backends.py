"""What runs the network: torch, ONNX Runtime or OpenVINO. All give the same disparity.

On a CPU several single images are computed side by side, each by one thread: a convolution that is split among cores waits
for the slowest of them, images do not.
"""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from litemono.exporting.exported_depth import ExportedDepth
from litemono.exporting.folded import folded
from litemono.exporting.fused import FusedDepth
from litemono.exporting.onnx_session import Infer, in_batches, infer_with, start_session
from litemono.predicting.settings import BackendName
from litemono.trained_depth import TrainedDepth, fastest_batch
from litemono.utils.errors import UserError, require

TOLERANCE = 1e-4  # of the largest disparity
WORTH_STARTING = 16  # images; converting the network takes as long as it then saves on about so many
NEEDS = {"torch": (), "openvino": ("openvino", "onnx"), "onnxruntime": ("onnxruntime", "onnx")}
EXTRAS = {"openvino": "openvino", "onnxruntime": "export"}
FASTEST = ("openvino", "onnxruntime")  # on a CPU, the fastest first; benchmarks/results/predict.json


class Plan(NamedTuple):
    """How the cores are used."""

    batch: int
    """Images of a pass."""
    workers: int
    """Passes that run side by side."""
    threads: int
    """Of each pass."""


class Backend(NamedTuple):
    """A network that is ready to run."""

    run: Callable[[np.ndarray], Tensor]
    """(B, H, W, 3) uint8 at the network's size -> (B, H, W) disparity as TrainedDepth gives it. Threads may call it at once."""
    plan: Plan
    description: str


def start(trained: TrainedDepth, name: BackendName, batch: int | None, workers: int, frames: int | None) -> Backend:
    """A backend for so many frames; None: unknown, as of a camera.

    batch: None means what is fastest. workers: the most passes side by side on a CPU. Raises UserError for a backend that is
    not installed, cannot run the network, or computes something else than torch.
    """
    on_cpu = trained.device.type == "cpu"
    if isinstance(trained, ExportedDepth) and isinstance(trained.file.batch, int):
        batch = trained.file.batch
    batch = batch or fastest_batch(trained.device)
    cores = torch.get_num_threads()
    waiting = workers if frames is None else -(-frames // batch)
    passes = max(1, min(workers, cores, waiting)) if on_cpu else 1
    plan = Plan(batch, passes, max(1, cores // passes))
    if name != "auto":
        return _build(trained, name, plan)
    many = frames is None or frames >= WORTH_STARTING
    for candidate in _candidates(trained, many and on_cpu):
        try:
            return _build(trained, candidate, plan)
        except UserError as error:
            print(f"note: {error}; using torch")
    return _build(trained, "torch", plan)


def _candidates(trained: TrainedDepth, worthwhile: bool) -> list[str]:
    if isinstance(trained, ExportedDepth):
        return [
            name for name in FASTEST if not missing(name) and (name == "onnxruntime" or trained.device.type == "cpu")
        ]
    return [name for name in FASTEST if not missing(name)][:1] if worthwhile else []


def missing(name: str) -> list[str]:
    """Packages that the backend needs and that are not installed."""
    return [package for package in NEEDS[name] if importlib.util.find_spec(package) is None]


def _build(trained: TrainedDepth, name: str, plan: Plan) -> Backend:
    lacks = missing(name)
    require(
        not lacks, f"--backend {name}: {' and '.join(lacks)} not installed; pip install 'litemono[{EXTRAS.get(name)}]'"
    )
    where = (
        f"on {trained.device.type}, batch {plan.batch}, {plan.workers} side by side, threads of each: {plan.threads}"
    )
    if name == "torch":
        require(
            not isinstance(trained, ExportedDepth),
            "--backend torch: --load_weights is an ONNX file, which onnxruntime or openvino runs",
        )
        described = f"torch {torch.__version__} {where}"
        return Backend(trained.disparity, plan, described)
    require(
        name == "onnxruntime" or trained.device.type == "cpu",
        f"--backend {name} runs on the CPU here; add --device cpu",
    )
    version = importlib.import_module(name).__version__.split("-")[0]
    described = f"{name} {version} {where}"
    if isinstance(trained, ExportedDepth):
        network = trained.file
        network.infer = STARTERS[name](network.path.read_bytes(), plan)
        return Backend(trained.disparity, plan, described)
    infer = STARTERS[name](_as_onnx(trained, name, plan.batch), plan)

    def run(images: np.ndarray) -> Tensor:
        return torch.from_numpy(in_batches(infer, images, plan.batch).copy()).to(trained.device)

    difference = _difference(trained, run)
    require(
        difference <= TOLERANCE,
        f"--backend {name}: differs from torch by {difference:.1e} of the largest disparity (allowed: {TOLERANCE:.0e})",
    )
    return Backend(run, plan, f"{described}; within {difference:.0e} of torch")


def _as_onnx(trained: TrainedDepth, name: str, batch: int) -> bytes:
    """The network with a fixed number of images, (B, H, W, 3) uint8 -> (B, H, W) disparity."""
    net = trained.net
    example = torch.full((batch, net.height, net.width, 3), 100, dtype=torch.uint8)
    try:
        with warnings.catch_warnings(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")  # tracing fixes every size, which is meant
            fused = folded(FusedDepth(trained, "uint8", "disparity", 1.0))
            torch.onnx.export(fused, (example.to(trained.device),), f"{folder}/network", dynamo=False, opset_version=17)
            return Path(folder, "network").read_bytes()
    except Exception as error:  # the exporter raises many kinds
        line = str(error).strip().splitlines()[0]
        raise UserError(f"--backend {name}: {net.name} cannot be converted to ONNX ({line})") from None


def _difference(trained: TrainedDepth, run: Callable[[np.ndarray], Tensor]) -> float:
    """The largest, of one smooth image, relative to the largest disparity."""
    coarse = torch.rand((1, 3, 6, 20), generator=torch.Generator().manual_seed(0))
    smooth = F.interpolate(coarse, (trained.net.height, trained.net.width), mode="bicubic").clamp(0, 1)
    image = (255 * smooth).byte().permute(0, 2, 3, 1).contiguous().numpy()
    expected = trained.disparity(image)
    if not expected.isfinite().all():
        return 0.0  # weights of a diverged training; what they predict is refused with its own message
    return float((run(image) - expected).abs().max() / expected.abs().max())


def _onnxruntime(content: bytes, plan: Plan) -> Infer:
    return infer_with(start_session(content, plan.threads))


def _openvino(content: bytes, plan: Plan) -> Infer:
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",  # the default is bf16 where the processor has it
        "INFERENCE_NUM_THREADS": plan.threads * plan.workers,
        "NUM_STREAMS": plan.workers,
    }
    try:
        compiled = core.compile_model(core.read_model(content), "CPU", settings)
    except RuntimeError as error:
        line = str(error).strip().splitlines()[-1]
        raise UserError(f"--backend openvino: cannot run this network ({line}); try --backend onnxruntime") from None
    own = threading.local()

    def infer(images: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return own.request.infer([images])[0]

    return infer


STARTERS: dict[str, Callable[[bytes, Plan], Infer]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}
