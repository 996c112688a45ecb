"""python -m benchmarks.exported: files of litemono export from Python and from examples/cpp, in fp32 and int8, against the
published loop; one thread."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.inference_subjects import LOOP, Case, published
from benchmarks.machine import machine
from benchmarks.record import write_record
from litemono.export import export
from litemono.exporting.onnx_file import OnnxNetwork
from litemono.exporting.settings import ExportConfig
from litemono.predicting.backends import STARTERS, Plan
from litemono.utils import cli
from litemono.utils.errors import require
from networks import weights

BASELINE = "published loop"


@dataclass(frozen=True)
class ExportedBenchmark:
    """What is timed: one image at a time, on one core."""

    load_weights: Path
    """Weights folder."""
    programs: Path
    """Folder with depth_onnx and depth_aoti, built from examples/cpp."""
    images: Path
    """Folder of images, for int8's ranges."""
    model: str | None = None
    """Default: as in the weights."""
    repeat: int = 10
    """Passes of each subject in a round."""
    rounds: int = 5
    """In each round all take turns."""
    json: Path | None = None
    """Write the results to this file."""


def benchmark(config: ExportedBenchmark) -> None:
    """Time a network's exported files: fp32 and int8 in ONNX Runtime and OpenVINO, fp32 in AOTInductor, from Python and C++.

    Example: python -m benchmarks.exported --load_weights WEIGHTS --programs build/cpp --images photos --json exported.json
    """
    require(config.repeat > 0 and config.rounds > 0, "--repeat and --rounds must be positive")
    for name in ("depth_onnx", "depth_aoti"):
        require(
            (config.programs / name).is_file(), f"--programs {config.programs}: no {name}; see examples/cpp/README.md"
        )
    with tempfile.TemporaryDirectory() as name:
        subjects = build(config, Path(name))
        times: dict[str, list[float]] = {subject: [] for subject in subjects}
        for _ in range(config.rounds):
            for subject, milliseconds in subjects.items():
                times[subject].append(milliseconds())
    rows = [row(subject, times) for subject in subjects]
    for one in rows:
        print("{subject:30} {ms:8.2f} ms, {speed:5.2f} times the published loop's speed".format(**one))
    write_record(config.json, machine(torch.device("cpu")), {"rows": rows})


def row(subject: str, times: dict[str, list[float]]) -> dict[str, object]:
    """Medians over rounds; ratios within each round: speed against the baseline, time of C++ against Python."""
    ratios = (base / ours for ours, base in zip(times[subject], times[BASELINE], strict=True))
    found: dict[str, object] = {
        "subject": subject,
        "ms": statistics.median(times[subject]),
        "speed": statistics.median(ratios),
    }
    python = subject.replace("C++", "Python")
    if "C++" in subject:
        pairs = zip(times[subject], times[python], strict=True)
        found["time_against_python"] = statistics.median(ours / theirs for ours, theirs in pairs)
    return found


def build(config: ExportedBenchmark, folder: Path) -> dict[str, Callable[[], float]]:
    """Each subject's median milliseconds of a pass."""
    torch.set_num_threads(1)
    fp32, int8, aoti = folder / "fp32.onnx", folder / "int8.onnx", folder / "fp32.aoti.pt2"
    export(ExportConfig(config.load_weights, fp32, config.model))
    export(ExportConfig(config.load_weights, int8, config.model, precision="int8", images=config.images, max_loss=1e6))
    export(ExportConfig(config.load_weights, aoti, config.model, format="aoti"))
    network = OnnxNetwork(fp32, threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (network.height, network.width, 3), np.uint8)
    image = folder / "image.png"
    Image.fromarray(pixels).save(image)
    small = OnnxNetwork(int8, threads=1)
    package = torch._inductor.aoti_load_package(str(aoti))
    tensor = torch.from_numpy(pixels[None])
    net = weights.load_depth(config.load_weights, config.model).eval()
    loop = published(LOOP, net, Case(net.name, network.width, network.height, 1), torch.device("cpu"))
    openvino = [STARTERS["openvino"](path.read_bytes(), Plan(batch=1, workers=1, threads=1)) for path in (fp32, int8)]

    def from_cpp(program: str, model: Path) -> Callable[[], float]:
        flags = ["--model", model, "--input", image, "--threads", 1, "--repeat", config.repeat]
        return lambda: _reported([str(config.programs / program), *map(str, flags)])

    def from_python(run: Callable[[], object]) -> Callable[[], float]:
        return lambda: _median(run, config.repeat)

    return {
        BASELINE: from_python(lambda: loop(pixels[None])),
        "OpenVINO, fp32, Python": from_python(lambda: openvino[0](pixels[None])),
        "OpenVINO, int8, Python": from_python(lambda: openvino[1](pixels[None])),
        "ONNX Runtime, fp32, Python": from_python(lambda: network.run(pixels[None])),
        "ONNX Runtime, fp32, C++": from_cpp("depth_onnx", fp32),
        "ONNX Runtime, int8, Python": from_python(lambda: small.run(pixels[None])),
        "ONNX Runtime, int8, C++": from_cpp("depth_onnx", int8),
        "AOTInductor, fp32, Python": from_python(lambda: package(tensor).numpy()),
        "AOTInductor, fp32, C++": from_cpp("depth_aoti", aoti),
    }


def _median(run: Callable[[], object], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _reported(command: list[str]) -> float:
    done = subprocess.run(command, capture_output=True, text=True)
    require(done.returncode == 0, done.stderr.strip())
    found = re.search(r"network ([\d.]+) ms", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def main() -> None:
    cli.run(benchmark, ExportedBenchmark, "python -m benchmarks.exported")


if __name__ == "__main__":
    main()
