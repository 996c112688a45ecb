"""What benchmarks.inference times: one depth network run in several ways on the same images."""

from __future__ import annotations

import importlib.util
import io
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import networks
from benchmarks.step_subjects import Case
from litemono.engine.graphed_step import WARM_UP, CudaGraphs
from litemono.engine.precision import HALF, apply_precision, autocast
from litemono.exporting.folded import folded
from litemono.exporting.precision import to_int8
from litemono.exporting.settings import default_opset
from litemono.geometry import disp_to_depth

Run = Callable[[np.ndarray], np.ndarray]
"""(B, H, W, 3) uint8 images -> (B, H, W) float32 scaled disparity, both in host memory."""

PUBLISHED = "published eager"
LOOP = "published loop"
NEEDS_CUDA = ("eager fp16", "graphed fp32", "graphed fp16")
RUNTIMES = {"ONNX Runtime": ("onnxruntime", "onnx"), "OpenVINO": ("openvino", "onnxruntime", "onnx")}
"""What each needs; onnxruntime also has the tool that makes int8."""


class FinestDisparity(nn.Module):
    """(B, H, W, 3) uint8 -> (B, H, W) scaled disparity: the network with all that surrounds it."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return disp_to_depth(self.net(images.permute(0, 3, 1, 2).float() / 255)[0][:, 0].float(), 0.1, 100.0)[0]


def network(case: Case, device: torch.device) -> nn.Module:
    """With random weights: the time does not depend on them."""
    torch.manual_seed(0)
    return networks.create(case.model, height=case.height, width=case.width).eval().to(device)


def names(device: str) -> list[str]:
    """Subjects that this device and this Python can run."""
    found = [PUBLISHED, LOOP, "eager fp32", "channels last fp32", "eager bf16", "eager fp16", "compiled fp32"]
    found += ["graphed fp32", "graphed fp16"]
    if _installed("ONNX Runtime"):
        found += ["ONNX Runtime fp32", *(["ONNX Runtime int8"] if device == "cpu" else [])]
    if device == "cpu" and _installed("OpenVINO"):
        found += ["OpenVINO fp32", "OpenVINO fp32 batched", "OpenVINO bf16", "OpenVINO int8"]
    return [name for name in found if device == "cuda" or name not in NEEDS_CUDA]


def _installed(runtime: str) -> bool:
    return all(importlib.util.find_spec(package) for package in RUNTIMES[runtime])


def build(name: str, case: Case, device: torch.device) -> tuple[Run, float]:
    """The subject and the seconds until its first result, with the network in memory."""
    apply_precision("fp32")
    net = network(case, device)
    start = time.perf_counter()
    run = BUILDERS[name.split()[0]](name, net, case, device)
    run(images(case))
    return run, time.perf_counter() - start


def images(case: Case) -> np.ndarray:
    """(B, H, W, 3) uint8, smooth and the same for all subjects."""
    coarse = torch.rand(case.batch, 3, case.height // 16, case.width // 16, generator=torch.Generator().manual_seed(0))
    smooth = F.interpolate(coarse, (case.height, case.width), mode="bicubic").clamp(0, 1)
    return (255 * smooth).byte().permute(0, 2, 3, 1).contiguous().numpy()


def published(name: str, net: nn.Module, case: Case, device: torch.device) -> Run:
    """Without gradients, all scales computed, channels first as torchvision's to_tensor gives them: all images in one pass, or,
    as the published test script takes a folder, one after the other."""
    step = 1 if name == LOOP else case.batch

    def run(batch: np.ndarray) -> np.ndarray:
        results = []
        with torch.no_grad():
            for first in range(0, len(batch), step):
                channels_first = np.ascontiguousarray(batch[first : first + step].transpose(0, 3, 1, 2))
                tensor = torch.from_numpy(channels_first).float().div(255).to(device)
                results.append(disp_to_depth(net(tensor)[0], 0.1, 100.0)[0].cpu().numpy()[:, 0])
        return np.concatenate(results)

    return run


def eager(name: str, net: nn.Module, case: Case, device: torch.device) -> Run:
    module, precision = FinestDisparity(net), name.split()[-1]

    def run(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), autocast(precision, device):
            return module(torch.from_numpy(batch).to(device)).cpu().numpy()

    return run


def channels_last(name: str, net: nn.Module, case: Case, device: torch.device) -> Run:
    return eager(name, net.to(memory_format=torch.channels_last), case, device)


def compiled(name: str, net: nn.Module, case: Case, device: torch.device) -> Run:
    module = torch.compile(FinestDisparity(net), dynamic=False)

    def run(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(batch).to(device)).cpu().numpy()

    return run


def graphed(name: str, net: nn.Module, case: Case, device: torch.device) -> Run:
    """Recorded as a CUDA graph for this batch size."""
    module = FinestDisparity(net.to(HALF.get(name.split()[-1], torch.float32)))
    held = torch.empty(case.batch, case.height, case.width, 3, dtype=torch.uint8, device=device)

    def forward() -> Tensor:
        with torch.no_grad(), autocast(name.split()[-1], device):
            return module(held)

    recorder = CudaGraphs(device)
    for _ in range(WARM_UP):
        recorder.warm_up(forward)
    replay, output = recorder.record(forward)

    def run(batch: np.ndarray) -> np.ndarray:
        held.copy_(torch.from_numpy(batch))
        replay()
        return output.cpu().numpy()

    return run


def as_onnx(name: str, net: nn.Module, case: Case) -> bytes:
    """As `litemono export` writes it, for a fixed number of images."""
    import onnx

    file, example = io.BytesIO(), images(case)
    module = folded(FinestDisparity(net.cpu()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing fixes every size, which is meant
        opset = default_opset("int8" if "int8" in name else "fp32")
        torch.onnx.export(
            module, (torch.from_numpy(example),), file, input_names=["images"], opset_version=opset, dynamo=False
        )
    if "int8" not in name:
        return file.getvalue()
    return to_int8(onnx.load_from_string(file.getvalue()), [example]).SerializeToString()


def runtime(name: str, net: nn.Module, case: Case, device: torch.device) -> Run:
    """On a CPU image by image, as `predict` does: maps of one image stay in its caches. "batched": all in one pass."""
    batched = device.type == "cuda" or name.endswith("batched")
    infer = STARTERS[name.split()[0]](name, as_onnx(name, net, case if batched else replace(case, batch=1)))
    if batched:
        return infer
    return lambda batch: np.concatenate([infer(image[None]) for image in batch])


def openvino(name: str, content: bytes) -> Run:
    import openvino

    core = openvino.Core()
    precision = "bf16" if "bf16" in name else "f32"  # of what is not int8
    threads = torch.get_num_threads()
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    request = core.compile_model(core.read_model(content), "CPU", settings).create_infer_request()
    return lambda batch: request.infer([batch])[0].copy()


def onnx_runtime(name: str, content: bytes) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=onnxruntime.get_available_providers())
    return lambda batch: session.run(None, {"images": batch})[0]


STARTERS = {"ONNX": onnx_runtime, "OpenVINO": openvino}
BUILDERS = {
    "published": published,
    "eager": eager,
    "channels": channels_last,
    "compiled": compiled,
    "graphed": graphed,
    "ONNX": runtime,
    "OpenVINO": runtime,
}
