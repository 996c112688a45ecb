"""What a file of torch's profiler says: seconds by part of the step and by operation, and how busy the GPU was."""

from __future__ import annotations

import gzip
import json
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

WAITING, STEP = "waiting for data", "training step"
PARTS = ("augmentation", "depth network", "pose network", "objective", "backward", "optimisers")
"""Labels (record_function) in step.py and model.py; no two overlap."""
REST = "rest"

Event = dict[str, Any]
ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")
LAUNCHES = ("cuda_runtime", "cuda_driver")

# torch's names, without prefixes, underscores and "backward", in the words of the field; the rest stay as they are.
PLAIN = {
    "mkldnn convolution": "convolution",
    "cudnn convolution": "convolution",
    "slow conv2d": "convolution",
    "conv depthwise2d": "convolution",
    "mm": "matrix product",
    "addmm": "matrix product",
    "bmm": "matrix product",
    "native batch norm": "batch normalisation",
    "cudnn batch norm": "batch normalisation",
    "native layer norm": "layer normalisation",
    "copy": "copying and converting",
    "foreach copy": "copying and converting",
    "fused adamw": "AdamW update",
    "grid sampler 2d": "warping",
    "upsample bilinear2d": "bilinear upsampling",
    "max pool2d with indices": "max pooling",
    "avg pool2d": "average pooling",
    "PhotometricError": "photometric error",
    "mul": "multiplication",
    "add": "addition",
    "sub": "subtraction",
    "div": "division",
    "cat": "concatenation",
}


class Operation(NamedTuple):
    name: str
    seconds: float
    count: int


class Costs(NamedTuple):
    parts: dict[str, float]
    """Seconds by PARTS (and WAITING): of the GPU where it was recorded, else of the process."""
    operations: list[Operation]
    """The most expensive first; seconds as in `parts`, without what an operation calls in turn."""
    gpu_busy: float | None
    """Seconds in which the GPU did anything; None: nothing was recorded of a GPU."""


def read_events(path: Path) -> list[Event]:
    """All events with a duration, times in microseconds. Raises ValueError for a file that is no trace."""
    with gzip.open(path) as file:
        return [event for event in json.load(file)["traceEvents"] if event.get("ph") == "X"]


def costs(events: Iterable[Event]) -> Costs:
    by_kind: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[event.get("cat", "")].append(event)
    labels = Labels(by_kind["user_annotation"])
    on_gpu = [event for kind in ON_GPU for event in by_kind[kind]]
    if not on_gpu:
        computing = [operation for operation in by_kind["cpu_op"] if labels.at(operation["ts"]) != WAITING]
        return Costs(labels.seconds(), ranking(own_costs(computing)), None)
    launches = {event["args"].get("correlation"): event for kind in LAUNCHES for event in by_kind[kind]}
    operations = {event["args"].get("External id"): event for event in by_kind["cpu_op"]}
    parts: Counter[str] = Counter()
    work: dict[Any, Operation] = {}
    for i, event in enumerate(on_gpu):
        launch = launches.get(event["args"].get("correlation"), event)
        identity = event["args"].get("External id", launch["args"].get("External id"))
        operation = operations.get(identity, event)
        asked = operation if launch is event else launch
        parts[labels.at(asked["ts"])] += event["dur"] / 1e6
        key = ("alone", i) if operation is event else ("of an operation", identity)
        before = work.get(key, Operation(plain(operation["name"]), 0.0, 1))
        work[key] = before._replace(seconds=before.seconds + event["dur"] / 1e6)
    busy = covered((event["ts"], event["ts"] + event["dur"]) for event in on_gpu) / 1e6
    return Costs(dict(parts), ranking(work.values()), busy)


class Labels:
    """Which part of the step a moment belongs to: also for another thread, such as autograd's."""

    def __init__(self, annotations: list[Event]) -> None:
        self._spans = sorted(
            (event["ts"], event["ts"] + event["dur"], event["name"])
            for event in annotations
            if event["name"] in (WAITING, *PARTS)
        )

    def at(self, time: float) -> str:
        index = bisect_right(self._spans, (time, float("inf"), "")) - 1
        return self._spans[index][2] if index >= 0 and time <= self._spans[index][1] else REST

    def seconds(self) -> dict[str, float]:
        sums: Counter[str] = Counter()
        for start, end, name in self._spans:
            sums[name] += (end - start) / 1e6
        return dict(sums)


def own_costs(operations: list[Event]) -> list[Operation]:
    """Each operation's seconds, less those of the operations that it calls; a call of its own kind counts as one."""
    names = [plain(operation["name"]) for operation in operations]
    own = [operation["dur"] for operation in operations]
    counts = [1] * len(operations)
    by_thread: dict[Any, list[int]] = defaultdict(list)
    for i, operation in enumerate(operations):
        by_thread[operation["tid"]].append(i)
    for thread in by_thread.values():
        callers: list[int] = []
        for i in sorted(thread, key=lambda i: (operations[i]["ts"], -operations[i]["dur"])):
            while callers and operations[callers[-1]]["ts"] + operations[callers[-1]]["dur"] <= operations[i]["ts"]:
                callers.pop()
            if callers:
                own[callers[-1]] -= operations[i]["dur"]
            counts[i] = int(all(names[caller] != names[i] for caller in callers))
            callers.append(i)
    return [Operation(*of) for of in zip(names, (microseconds / 1e6 for microseconds in own), counts, strict=True)]


def ranking(work: Iterable[Operation]) -> list[Operation]:
    """One entry per name, the most expensive first."""
    seconds: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for operation in work:
        seconds[operation.name] += operation.seconds
        counts[operation.name] += operation.count
    return [Operation(name, spent, counts[name]) for name, spent in seconds.most_common()]


@cache
def plain(name: str) -> str:
    """aten::cudnn_batch_norm_backward: batch normalisation backward."""
    if name.startswith(("nccl:", "gloo:", "ncclDevKernel", "c10d::")):
        return "exchange between processes"
    if name.startswith("autograd::engine") or "AccumulateGrad" in name:
        return "autograd's bookkeeping"
    if name.startswith("triton"):  # --compile compiles nothing else
        return "compiled photometric error"
    words = re.sub(r"Backward\d*$", " backward", name.split("<")[0].rpartition("::")[2]).replace("_", " ").split()
    backward = " backward" if "backward" in words else ""
    kernel = " ".join(word for word in words if word not in ("backward", "forward"))
    return PLAIN.get(kernel, kernel or name) + backward


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
