"""python -m benchmarks.inference: how fast a depth network predicts, in several ways, and what surrounds it."""

from __future__ import annotations

import io
import itertools
import json
import re
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.inference_subjects import PUBLISHED, Case, Run, build, images, names
from benchmarks.machine import machine
from benchmarks.train_step import parse_size
from litemono.engine.precision import slow_precision
from litemono.trained_depth import at_image_size
from litemono.utils import cli
from litemono.utils.atomic_files import replacing, write_atomically
from litemono.utils.colormap import magma
from litemono.utils.device import choose_device, cpu_features
from litemono.utils.errors import require

NATIVE = (375, 1242)  # of KITTI's images, height and width
ROUND_SECONDS = 0.25  # of a subject's turn in a round


@dataclass(frozen=True)
class InferenceConfig:
    """What is timed. Flags that name several things take them one after the other: --batch 1 8."""

    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    model: tuple[str, ...] = ("lite-mono", "lite-mono-small", "lite-mono-tiny", "lite-mono-8m")
    """Networks of the registry."""
    size: tuple[str, ...] = ("640x192", "1024x320")
    """Input sizes, WIDTHxHEIGHT in multiples of 32."""
    batch: tuple[int, ...] = (1, 8, 16)
    """Images per forward pass. The published loop has one, whatever is given here."""
    subject: tuple[str, ...] = ()
    """Time these alone, such as "eager fp32". Default: all that can run here, but for compiling on a CPU, which takes
    minutes."""
    seconds: float = 3.0
    """Least time of each subject, in rounds in which all take turns."""
    memory: bool = False
    """Also measure the memory of each subject, in a process of its own, which takes seconds for each."""
    json: Path | None = None
    """Write the results to this file."""
    plot: Path | None = None
    """Draw them to this .png: images per second, in terms of the published loop's."""


@dataclass(frozen=True)
class Row:
    """One subject in one case."""

    subject: str
    images_per_s: float
    ratio: float
    """Images per second, in terms of the published loop's; the median over rounds."""
    p50_ms: float
    """Latency of one batch, from uint8 images in host memory to disparity there."""
    p90_ms: float
    p99_ms: float
    first_s: float
    """Until the first result, with the network in memory: exporting, compiling, choosing kernels."""
    off: float
    """Largest difference from eager float32, in terms of the largest disparity."""
    memory_mb: float | None = None
    """What the network and one pass add to a process that has imported torch; with --memory."""


def benchmark(config: InferenceConfig) -> None:
    """Time a depth network from images in memory to disparity in memory: the published loop, ours, compiled, recorded as a
    CUDA graph, in half precision, in ONNX Runtime and OpenVINO where they are installed. Then each step from a file to a picture.

    Example: python -m benchmarks.inference --batch 1 8 --json inference.json
    """
    device = choose_device(config.device)
    require(config.seconds > 0 and all(batch > 0 for batch in config.batch), "--seconds and --batch must be positive")
    chosen = choose_subjects(config, device)
    report = {"command": shlex.join(["python", "-m", "benchmarks.inference", *sys.argv[1:]]), **machine(device)}
    cases = []
    for model, size, batch in itertools.product(config.model, config.size, config.batch):
        case = Case(model, *parse_size(size), batch)
        rows = measure(case, chosen, device, config.seconds)
        if config.memory:
            rows = [replace(row, memory_mb=memory_of(row.subject, case, device)) for row in rows]
        show(case, rows)
        steps = end_to_end(case, rows)
        cases.append({**asdict(case), "rows": [asdict(row) for row in rows], "end_to_end_ms": steps})
        print(
            "one image, one after the other: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in steps.items()) + "\n"
        )
        if config.json is not None:
            content = {**report, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, "cases": cases}
            write_atomically(config.json, (json.dumps(content, indent=1) + "\n").encode())
    if config.plot is not None:
        draw(cases, config.plot)


def choose_subjects(config: InferenceConfig, device: torch.device) -> list[str]:
    possible = names(device.type)
    unknown = sorted(set(config.subject) - set(possible))
    require(not unknown, f"--subject {unknown}: cannot run here; there are {', '.join(possible)}")
    if config.subject:
        return list(dict.fromkeys((PUBLISHED, *config.subject)))
    slow = [] if slow_precision("bf16", device, cpu_features()) is None else ["eager bf16"]
    slow += ["compiled fp32"] if device.type == "cpu" else []
    return [name for name in possible if name not in slow]


def measure(case: Case, subjects: list[str], device: torch.device, seconds: float) -> list[Row]:
    """Rounds in which all subjects take turns, so that a slow minute hits them all."""
    built = build_all(case, subjects, device)
    batch = images(case)
    expected = built[PUBLISHED][0](batch)
    latencies: dict[str, list[list[float]]] = {name: [] for name in subjects}
    for _ in range(max(1, round(seconds / ROUND_SECONDS))):
        for name, (run, _) in built.items():
            latencies[name].append(turn(lambda run=run: run(batch)))
    speed = {name: [1 / statistics.mean(times) for times in rounds] for name, rounds in latencies.items()}
    rows = []
    for name, (run, first) in built.items():
        times = sorted(itertools.chain(*latencies[name]))
        ratios = [ours / theirs for ours, theirs in zip(speed[name], speed[PUBLISHED], strict=True)]
        p50, p90, p99 = (1000 * float(np.percentile(times, share)) for share in (50, 90, 99))
        off = float(np.abs(run(batch) - expected).max() / expected.max())
        images_per_s = case.batch * statistics.median(speed[name])
        rows.append(Row(name, images_per_s, statistics.median(ratios), p50, p90, p99, first, off))
    return rows


def build_all(case: Case, subjects: list[str], device: torch.device) -> dict[str, tuple[Run, float]]:
    """Those that can be built; why others cannot (no code for this card, an exporter that a torch lacks) is printed."""
    built = {PUBLISHED: build(PUBLISHED, case, device)}
    for name in subjects:
        if name == PUBLISHED:
            continue
        try:
            built[name] = build(name, case, device)
        except Exception as error:  # torch, Triton and ONNX Runtime raise what they like
            reason = next(iter(str(error).strip().splitlines()), "")
            print(
                f"{case}: {name} cannot run here ({type(error).__name__}: {reason[:200]})", file=sys.stderr, flush=True
            )
    return built


def turn(work: Callable[[], object]) -> list[float]:
    """Seconds of each call in a turn; results are in host memory, so a GPU has finished."""
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < ROUND_SECONDS:
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return times


def memory_of(subject: str, case: Case, device: torch.device) -> float:
    """Peak of resident memory in MB on a CPU, of allocated memory on a GPU."""
    code = "import sys; from benchmarks.inference import print_memory; print_memory(*sys.argv[1:])"
    words = (subject, case.model, case.width, case.height, case.batch, device.type, torch.get_num_threads())
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def print_memory(subject: str, model: str, width: str, height: str, batch: str, device: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here, not from the imports
    build(subject, Case(model, int(width), int(height), int(batch)), torch.device(device))
    print(torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else resident("VmHWM") - before)


def resident(field: str) -> float:
    """MB of this process that are in memory (VmRSS), or were at most (VmHWM)."""
    match = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(match[1]) / 1000 if match else float("nan")


def end_to_end(case: Case, rows: list[Row]) -> dict[str, float]:
    """Milliseconds of each step from a file to a picture, in their order; the network is the fastest of float32."""
    around = stages(case)
    fastest = max(
        (row for row in rows if row.subject.endswith("fp32")), key=lambda row: row.images_per_s, default=rows[0]
    )
    before, after = ("decode", "resize"), ("resize back", "colour", "encode")
    network = {f"network ({fastest.subject})": 1000 / fastest.images_per_s}
    return {name: around[name] for name in before} | network | {name: around[name] for name in after}


def stages(case: Case) -> dict[str, float]:
    """Milliseconds per image of what a user needs around the network, for a KITTI-sized image."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (*(n // 8 for n in NATIVE), 3), np.uint8)).resize(NATIVE[::-1])
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    disparity = torch.rand(case.height, case.width)
    large = at_image_size(disparity, *NATIVE)
    colour = Image.fromarray(magma(large))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    work: dict[str, Callable[[], object]] = {
        "decode": lambda: Image.open(io.BytesIO(file.getvalue())).convert("RGB"),
        "resize": lambda: picture.resize((case.width, case.height), Image.Resampling.LANCZOS),
        "resize back": lambda: at_image_size(disparity, *NATIVE),
        "colour": lambda: magma(large),
        "encode": lambda: colour.save(io.BytesIO(), "JPEG"),
    }
    found = {name: 1000 * statistics.median(turn(one)) for name, one in work.items()}
    torch.set_num_threads(threads)
    return found


def show(case: Case, rows: list[Row]) -> None:
    table = Table(title=f"{case}, threads: {torch.get_num_threads()}", title_justify="left")
    for name in ("", "img/s", "ratio", "p50 ms", "p90 ms", "p99 ms", "first s", "off", "MB"):
        table.add_column(name, justify="right" if name else "left")
    for row in rows:
        latency = (f"{value:.1f}" for value in (row.p50_ms, row.p90_ms, row.p99_ms))
        memory = "" if row.memory_mb is None else f"{row.memory_mb:.0f}"
        numbers = (f"{row.first_s:.1f}", f"{row.off:.1e}", memory)
        table.add_row(row.subject, f"{row.images_per_s:.3g}", f"{row.ratio:.2f}", *latency, *numbers)
    Console(width=max(100, Console().width), highlight=False).print(table)


def draw(cases: list[dict], path: Path) -> None:
    """A group of bars for each case, a bar for each subject."""
    from matplotlib.figure import Figure

    subjects = list(dict.fromkeys(row["subject"] for case in cases for row in case["rows"]))
    figure = Figure(figsize=(max(6, 1.5 * len(cases) + 2), 4), layout="constrained")
    axes = figure.subplots()
    for number, subject in enumerate(subjects):
        ratios = [next((row["ratio"] for row in case["rows"] if row["subject"] == subject), 0) for case in cases]
        places = [group + (number - len(subjects) / 2) * 0.8 / len(subjects) for group in range(len(cases))]
        axes.bar(places, ratios, 0.8 / len(subjects), align="edge", label=subject)
    labels = [f"{case['model']}\n{case['width']}x{case['height']}, batch {case['batch']}" for case in cases]
    axes.set_xticks(range(len(cases)), labels, fontsize=8)
    axes.set_ylabel("speed, published loop = 1")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, ncols=2)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)


def main() -> None:
    cli.run(benchmark, InferenceConfig, "python -m benchmarks.inference")


if __name__ == "__main__":
    main()
