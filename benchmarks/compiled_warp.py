"""python -m benchmarks.compiled_warp: the warp of a training step as compiled code, against its plain code in turns.

--compile_parts has no warp: this shows whether that is right on a machine. The warp of a scale is a pixel's place in each source
view from its inverse depth, and the bilinear sample there; timed is its forward and backward pass.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.train_step import parse_size
from litemono import geometry
from litemono.data.kitti.calibration import PUBLISHED_INTRINSICS
from litemono.utils import cli
from litemono.utils.compiling import compiler_errors, prepare_torch
from litemono.utils.device import choose_device
from litemono.utils.errors import require

SOURCES = 2  # the frames before and after
Warp = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class WarpConfig:
    """What is timed."""

    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    size: str = "640x192"
    """WIDTHxHEIGHT."""
    batch: int = 4
    """Samples."""
    repeats: int = 7
    """Rounds in which both take turns."""
    json: Path | None = None
    """Write the results to this file."""


def warp(sources: Tensor, at_infinity: Tensor, parallax: Tensor, inverse_depth: Tensor) -> Tensor:
    return geometry.warp(sources, geometry.Reprojection(at_infinity, parallax).grid(inverse_depth))


def measure(config: WarpConfig) -> int:
    """Time the warp plain and compiled: milliseconds of processor time on a CPU, of the clock on a GPU.

    Example: python -m benchmarks.compiled_warp --json compiled_warp.json
    """
    require(config.batch > 0 and config.repeats > 0, "--batch and --repeats: at least 1")
    device = choose_device(config.device)
    inputs = make_inputs(config, device)
    prepare_torch()
    start = time.perf_counter()
    compiled = torch.compile(warp, dynamic=False)
    with compiler_errors():
        found = gradients(compiled, inputs)
    seconds = time.perf_counter() - start
    expected = gradients(warp, inputs)
    off = max(float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True))
    ways: dict[str, Warp] = {"plain": warp, "compiled": compiled}
    ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(config.repeats):
        for name, way in ways.items():
            ms[name].append(timed(way, inputs, device))
    ratio = statistics.median(a / b for a, b in zip(ms["plain"], ms["compiled"], strict=True))
    medians = {name: statistics.median(values) for name, values in ms.items()}
    print(
        f"plain {medians['plain']:.1f} ms, compiled {medians['compiled']:.1f} ms: {ratio:.2f} times as fast; ", end=""
    )
    print(f"compiling took {seconds:.0f} s; results differ by {off:.1e} in norm")
    write_record(config.json, machine(device), {"ms": ms, "ratio": ratio, "compiling_s": seconds, "off": off})
    return cli.FINISHED


def make_inputs(config: WarpConfig, device: torch.device) -> tuple[Tensor, ...]:
    """Smooth images, a camera that moves by a step, depths of 2 to 20 m; all but the images want a gradient."""
    width, height = parse_size(config.size)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(config.batch * SOURCES, 3, height // 8, width // 8, generator=generator)
    sources = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    fx, fy, cx, cy = PUBLISHED_INTRINSICS
    K = torch.tensor([[fx * width, 0, cx * width], [0, fy * height, cy * height], [0, 0, 1.0]]).expand(
        config.batch, 3, 3
    )
    motion = 0.02 * torch.randn(2, config.batch, SOURCES, 3, generator=generator)
    poses = geometry.pose_matrix(*motion)
    reprojection = geometry.reprojection(K, geometry.invert_intrinsics(K), poses, height, width)
    inverse_depth = 1 / (2 + 18 * torch.rand(config.batch, 1, height, width, generator=generator))
    leaves = (tensor.to(device).requires_grad_() for tensor in (*reprojection, inverse_depth))
    return (sources.unflatten(0, (config.batch, SOURCES)).to(device), *leaves)


def gradients(way: Warp, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """The warped views and the gradients of what wants one."""
    for leaf in inputs[1:]:
        leaf.grad = None
    output = way(*inputs)
    output.square().mean().backward()
    return [output.detach(), *(leaf.grad for leaf in inputs[1:] if leaf.grad is not None)]


def timed(way: Warp, inputs: tuple[Tensor, ...], device: torch.device) -> float:
    """Milliseconds."""
    clock, settle = time.process_time, lambda: None
    if device.type == "cuda":
        clock, settle = time.perf_counter, torch.cuda.synchronize
    gradients(way, inputs)
    settle()
    start = clock()
    for _ in range(3):
        gradients(way, inputs)
    settle()
    return 1000 * (clock() - start) / 3


def main() -> None:
    cli.run(measure, WarpConfig, "python -m benchmarks.compiled_warp")


if __name__ == "__main__":
    main()
