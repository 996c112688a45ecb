"""--profile: where the time of a training step goes: a trace to look at, five sentences to read, tables and curves."""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.autograd.profiler_util import EventList
from torch.profiler import ProfilerActivity, profile, record_function

from litemono.engine.profile_tables import WHOLE, Block, block_costs, labelled, memory_in_use, tables, write_curves
from litemono.engine.task import Advice
from litemono.engine.training import Training
from litemono.utils.atomic_files import write_atomically

WARM_UP = 3  # steps of a start that are not typical: cuDNN chooses its algorithms, allocators and caches fill
WAITING, STEP, REST = "waiting for data", "training step", "rest"
PART = re.compile(r"[a-z][a-z ]*")  # our labels (record_function); torch's own, such as Optimizer.step#Adam, are not
DATA_KEEPS_UP = 0.02  # share of the time that may be spent waiting for data
GPU_FULL = 0.9  # share of the time from which on a GPU counts as busy all the time


@dataclass
class Timing:  # of the recorded steps, by the wall clock
    steps: int = 0
    seconds: float = 0.0
    waited: float = 0.0  # seconds of these spent waiting for data
    first: int = 0  # number of the first one
    memory: list[int] = field(default_factory=list)  # bytes at most in use until the end of each


class Costs(NamedTuple):  # seconds of the GPU where it was recorded, else of the process
    parts: dict[str, float]  # by label; REST is what has none
    operations: list[tuple[str, float, int]]  # torch's name, seconds without what it calls, calls; most expensive first
    gpu_busy: float | None  # seconds in which the GPU did anything; None: nothing was recorded of a GPU
    by_step: dict[
        str, np.ndarray
    ] = {}  # seconds of each step by label, with REST and, by the wall clock, WAITING and WHOLE
    blocks: list[Block] = []  # of the networks


class Profiler(AbstractContextManager):
    """Records `--profile` steps of one epoch as they pass; without the flag, and except on rank 0, it only passes them."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.advice = training.task.advice(training.processes.device, training.precision)
        self.wanted = training.config.run.profile or 0 if training.run else 0
        self.timing, self._warm_up = Timing(), WARM_UP
        self._torch: profile | None = None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """The run ends: summarise the steps that were recorded, if fewer than wanted."""
        if self.wanted and kind is None:
            self._finish()

    def watch(self, steps: Iterator[Any]) -> Iterator[Any]:
        """The same steps, each (seconds waited, batch), some of them recorded."""
        while self.wanted and not self._due():
            self._warm_up -= 1
            if (step := next(steps, None)) is None:
                return
            yield step
        if self.wanted:
            yield from self._record(steps)
        yield from steps

    def _due(self) -> bool:
        """Warmed up, and the epoch still has as many steps as can be recorded at a time."""
        t = self.training
        in_epoch = (t.data.train_samples - t.progress.samples) // t.global_batch
        possible = min(self.wanted, t.steps_per_epoch, t.total_steps - t.progress.step)
        return self._warm_up <= 0 and in_epoch >= possible > 0

    def _record(self, steps: Iterator[Any]) -> Iterator[Any]:
        device = self.training.processes.device
        os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # else it complains about a missing GPU
        on_cuda = device.type == "cuda"
        settle = torch.cuda.synchronize if on_cuda else lambda: None  # the clock counts all work that the GPU was given
        self.timing.first = self.training.progress.step + 1
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_cuda
        with labelled(self.training.networks), profile(activities=activities, profile_memory=True) as self._torch:
            torch.zeros(1, device=device)  # what comes first waits for the profiler's own beginnings
            settle()
            start = time.perf_counter()
            try:
                while self.timing.steps < self.wanted:
                    with record_function(WAITING):
                        step = next(steps, None)
                    if step is None:
                        break
                    self.timing.steps += 1
                    self.timing.waited += step[0]
                    with record_function(STEP):
                        try:
                            yield step
                        finally:
                            self.timing.memory.append(memory_in_use(device))
            finally:  # also where the loop leaves after this step
                settle()
                self.timing.seconds = time.perf_counter() - start
        self._finish()

    def _finish(self) -> None:
        """Write trace and summary, and say the summary. No trouble with them ends a training."""
        t, head = self.training, f"--profile {self.wanted}: no profile"
        wanted, self.wanted = self.wanted, 0
        if self._torch is None or t.log.stop_requested:
            ended = "was interrupted, the same command tries again" if t.log.stop_requested else "ended first"
            t.report.say(f"{head}; it needs {WARM_UP} steps to warm up, and the run {ended}")
            return
        folder = t.config.folder / "profile"
        try:
            folder.mkdir(exist_ok=True)
            self._torch.export_chrome_trace(str(folder / "trace.json.gz"))
            measured = costs(self._torch.events(), self.timing)
            lines = [about(t, wanted, self.timing), *sentences(self.timing, measured, self.advice, t.processes.device)]
            write_atomically(folder / "summary.txt", "".join(f"{line}\n" for line in lines).encode())
            in_use = memory_in_use(t.processes.device)
            write_atomically(folder / "table.md", tables(measured.by_step, measured.blocks, in_use).encode())
            write_curves(folder, measured.by_step, self.timing.memory, self.timing.first)
            lines.append(f"Each part and block: {folder / 'table.md'}")
            lines.append(f"Trace: {folder / 'trace.json.gz'} (open it in ui.perfetto.dev)")
        except Exception as error:  # a full disk, a torch that names its events differently
            lines = [f"{head} ({type(error).__name__}: {error})"]
        for line in lines:
            t.report.say(line)
        t.report.clock.restart()


def costs(events: EventList, timing: Timing) -> Costs:
    """events: torch.profiler.profile.events() of the recorded steps."""
    host = [event for event in events if event.device_type == DeviceType.CPU]
    on_gpu = [e.time_range for e in events if e.device_type != DeviceType.CPU and not e.is_user_annotation]
    labels = [event for event in host if event.is_user_annotation and PART.fullmatch(event.name) and event.name != STEP]
    spans = sorted((label.time_range.start, label.time_range.end, label.name) for label in labels)
    # Each step begins with its batch; behind the last one may be a wait for a batch that did not come.
    begins = [start for start, _, name in spans if name == WAITING][: timing.steps]
    by_step = {name: np.zeros(timing.steps) for name in dict.fromkeys((WAITING, *(name for *_, name in spans), REST))}

    def add(name: str, at: float, microseconds: float) -> None:
        by_step[name][max(bisect_right(begins, at) - 1, 0)] += microseconds / 1e6

    column, busy = "self_device_time_total" if on_gpu else "self_cpu_time_total", None
    if on_gpu:
        for event in host:  # autograd launches from a thread of its own, so the label is found by the time
            if not event.is_user_annotation:
                i = bisect_right(spans, (event.time_range.start, float("inf"), "")) - 1
                label = spans[i][2] if i >= 0 and event.time_range.start <= spans[i][1] else REST
                launched = REST if label == WAITING else label
                add(launched, event.time_range.start, sum(kernel.duration for kernel in event.kernels))
        starts, ends = np.maximum.accumulate(sorted((span.start, span.end) for span in on_gpu)).T
        busy = float(ends[-1] - starts[0] - np.maximum(0, starts[1:] - ends[:-1]).sum()) / 1e6
    for start, end, name in spans:
        if not on_gpu or name == WAITING:
            add(name, start, end - start)
    whole = np.diff([*begins, begins[0] + timing.seconds * 1e6]) / 1e6 if begins else np.array([timing.seconds])
    parts = {name: float(seconds.sum()) for name, seconds in by_step.items() if name != WAITING}
    if not on_gpu:
        by_step[REST] = np.maximum(0, whole - np.sum([*by_step.values()], axis=0))
        parts[REST] = timing.seconds - timing.waited - sum(parts.values())
    by_step[WHOLE] = whole
    rows = [row for row in events.key_averages() if row.device_type == DeviceType.CPU and not row.is_user_annotation]
    rows.sort(key=lambda row: -getattr(row, column))
    operations = [(row.key.removeprefix("aten::"), getattr(row, column) / 1e6, row.count) for row in rows]
    return Costs(parts, operations, busy, by_step, block_costs(events, timing.steps, bool(on_gpu)))


def about(t: Training, wanted: int, timing: Timing) -> str:
    """The summary's first sentence: what was measured."""
    device, seconds = t.processes.device, timing.seconds / timing.steps
    name, memory = f"a CPU (threads: {torch.get_num_threads()})", ""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        memory = f", at most {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB of its memory"
    name += f" (one of {t.processes.size} processes)" * (t.processes.size > 1)
    steps = f"{timing.steps} step{'s' * (timing.steps > 1)}" + f" (of {wanted} asked for)" * (timing.steps < wanted)
    speed = f"{seconds:.3g} s a step, {t.global_batch / seconds:.3g} img/s with the profiler's own cost"
    return f"Profile: {steps} of batch {t.global_batch} on {name} in {t.precision}: {speed}{memory}."


def sentences(timing: Timing, measured: Costs, advice: Advice, device: torch.device) -> list[str]:
    """Four: waiting, parts, operations, and what the step cannot go faster than, with the advice for it."""
    waiting, computing = timing.waited / timing.seconds, sum(measured.parts.values())
    busy = min(1.0, (measured.gpu_busy or 0.0) / timing.seconds)
    verdict = "the data keeps up" if waiting < DATA_KEEPS_UP else "the GPU was busy with earlier steps meanwhile"
    if waiting >= DATA_KEEPS_UP and busy < GPU_FULL:
        verdict = "too much" + (f", worth trying: {' or '.join(advice.data)}" if advice.data else "")
    if measured.gpu_busy is None:
        what, ways = ("the data", advice.data) if waiting > 0.5 else ("the CPU's computing", advice.computing)
    elif busy >= GPU_FULL:
        what, ways = "its computing", advice.computing
    elif waiting >= (1 - busy) / 2:
        what, ways = "the data", advice.data
    else:
        what, ways = "the host, which launches kernels too slowly (the profiler slows it further)", advice.launching
    if measured.gpu_busy is not None:
        what = f"the GPU was busy {busy:.1%} of the time, so {what}"
    elif device.type == "cuda":
        what, ways = "unknown; the profiler gets no times of the GPU here (CUPTI), parts are the host's", ()
    parts = (f"{part} {seconds / computing:.1%}" for part, seconds in measured.parts.items())
    operations = (
        f"{name} {seconds / computing:.1%} ({calls / timing.steps:.0f} a step)"
        for name, seconds, calls in measured.operations[:3]
    )
    return [
        f"Waiting for data: {waiting:.1%} of the time; {verdict}.",
        f"{'Computing' if measured.gpu_busy is None else 'Work of the GPU'}: {', '.join(parts)}.",
        f"Most expensive operations: {', '.join(operations)}.",
        f"Limit: {what}." + (f" Worth trying: {', '.join(ways)}." if ways else ""),
    ]
