"""python -m benchmarks.inference: how fast a depth network predicts, in several ways, and what surrounds it."""

from __future__ import annotations

import datetime
import io
import itertools
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from benchmarks.inference_report import Row, draw, show
from benchmarks.inference_subjects import LOOP, PUBLISHED, Case, Run, build, images, names
from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.train_step import parse_size
from litemono.engine.precision import slow_precision
from litemono.trained_depth import at_image_size
from litemono.utils import cli
from litemono.utils.colormap import magma
from litemono.utils.commit import typed_command
from litemono.utils.device import choose_device, cpu_features
from litemono.utils.errors import UserError, require

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
    """Images that are there at once. The published loop and, on a CPU, the runtimes take them one after the other."""
    subject: tuple[str, ...] = ()
    """Time these alone, such as "eager fp32". Default: all that can run here, but for compiling on a CPU, which takes
    minutes."""
    seconds: float = 3.0
    """Least time of each subject, in rounds in which all take turns."""
    memory: bool = False
    """Also measure the memory of each subject, in a process of its own, which takes seconds for each; also of cases that
    --json has without it."""
    json: Path | None = None
    """Write the results to this file, after each case. Cases that are in it already are not measured again: the same command
    continues after an interruption, and one with other models, sizes or batches adds to it."""
    plot: Path | None = None
    """Draw them to this .png: images per second, against the published network."""


def benchmark(config: InferenceConfig) -> None:
    """Time a depth network from images in memory to disparity in memory: published, ours, compiled, recorded as a CUDA graph,
    in half precision, in ONNX Runtime and OpenVINO where they are installed. Then each step from a file to a picture.

    Example: python -m benchmarks.inference --batch 1 8 --json inference.json
    """
    device = choose_device(config.device)
    require(config.seconds > 0 and all(batch > 0 for batch in config.batch), "--seconds and --batch must be positive")
    chosen = choose_subjects(config, device)
    made_on = machine(device)
    cases = earlier_cases(config.json, made_on)
    there = {(case["model"], case["width"], case["height"], case["batch"]): case for case in cases}
    for model, size, batch in itertools.product(config.model, config.size, config.batch):
        case = Case(model, *parse_size(size), batch)
        if astuple(case) in there:
            print(f"{case}: is in {config.json}")
            if config.memory:
                add_memory(there[astuple(case)]["rows"], case, device)
        else:
            cases.append(measured_case(case, chosen, device, config))
        write_record(config.json, made_on, {"cases": cases})
    if config.plot is not None:
        draw(cases, config.plot)


def earlier_cases(path: Path | None, made_on: dict[str, object]) -> list[dict[str, Any]]:
    """Of the same machine and software. UserError for a file of other ones, whose times would not compare."""
    if path is None or not path.exists():
        return []
    try:
        found = json.loads(path.read_text())
        cases: list[dict[str, Any]] = found["cases"]
        earlier = found.get("machine", found)  # older records have these facts beside the cases
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"--json {path}: not written by benchmarks.inference ({error}); give another file") from None
    other = [name for name, value in made_on.items() if name != "date" and earlier.get(name) != value]
    require(not other, f"--json {path}: recorded with another {' and '.join(other)}; give another file")
    return cases


def add_memory(rows: list[dict[str, Any]], case: Case, device: torch.device) -> None:
    for row in rows:
        if row["memory_mb"] is None:
            row["memory_mb"] = memory_of(row["subject"], case, device)


def measured_case(case: Case, subjects: list[str], device: torch.device, config: InferenceConfig) -> dict[str, Any]:
    """All that is recorded of a case, which is also printed."""
    around = stages(case.width, case.height)
    rows = measure(case, subjects, device, config.seconds, around["resize"] + around["resize back"])
    if config.memory:
        rows = [replace(row, memory_mb=memory_of(row.subject, case, device)) for row in rows]
    show(case, rows)
    steps = end_to_end(around, rows)
    print("one image, one after the other: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in steps.items()) + "\n")
    date = datetime.datetime.now().isoformat(timespec="seconds")
    recorded = {**asdict(case), "command": typed_command(), "date": date, "end_to_end_ms": steps}
    return {**recorded, "rows": [asdict(row) for row in rows]}


def choose_subjects(config: InferenceConfig, device: torch.device) -> list[str]:
    possible = names(device.type)
    unknown = sorted(set(config.subject) - set(possible))
    require(not unknown, f"--subject {unknown}: cannot run here; there are {', '.join(possible)}")
    if config.subject:
        return list(dict.fromkeys((PUBLISHED, *config.subject)))
    slow = [] if slow_precision("bf16", device, cpu_features()) is None else ["eager bf16"]
    slow += ["compiled fp32"] if device.type == "cpu" else []
    return [name for name in possible if name not in slow]


def measure(case: Case, subjects: list[str], device: torch.device, seconds: float, resize_ms: float) -> list[Row]:
    """Rounds in which all subjects take turns, so that a slow minute hits them all. resize_ms: of each image."""
    if case.batch == 1:  # the same as others
        subjects = [name for name in subjects if name != LOOP and not name.endswith("batched")]
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
        resized = 1 / (1 / images_per_s + resize_ms / 1000)
        rows.append(Row(name, images_per_s, resized, statistics.median(ratios), p50, p90, p99, first, off))
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


def end_to_end(around: dict[str, float], rows: list[Row]) -> dict[str, float]:
    """Milliseconds of each step from a file to a picture, in their order; the network is the fastest of float32."""
    fastest = max(
        (row for row in rows if row.subject.endswith("fp32")), key=lambda row: row.images_per_s, default=rows[0]
    )
    before, after = ("decode", "resize"), ("resize back", "colour", "encode")
    network = {f"network ({fastest.subject})": 1000 / fastest.images_per_s}
    return {name: around[name] for name in before} | network | {name: around[name] for name in after}


@lru_cache
def stages(width: int, height: int) -> dict[str, float]:
    """Milliseconds per image of what a user needs around a network of this size, for a KITTI-sized image."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (*(n // 8 for n in NATIVE), 3), np.uint8)).resize(NATIVE[::-1])
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    disparity = torch.rand(height, width)
    large = at_image_size(disparity, *NATIVE)
    colour = Image.fromarray(magma(large))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    work: dict[str, Callable[[], object]] = {
        "decode": lambda: Image.open(io.BytesIO(file.getvalue())).convert("RGB"),
        "resize": lambda: picture.resize((width, height), Image.Resampling.LANCZOS),
        "resize back": lambda: at_image_size(disparity, *NATIVE),
        "colour": lambda: magma(large),
        "encode": lambda: colour.save(io.BytesIO(), "JPEG"),
    }
    found = {name: 1000 * statistics.median(turn(one)) for name, one in work.items()}
    torch.set_num_threads(threads)
    return found


def main() -> None:
    cli.run(benchmark, InferenceConfig, "python -m benchmarks.inference")


if __name__ == "__main__":
    main()
