"""--profile: where the time of a training step goes, as a trace to look at and in five lines to read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from litemono.data.batch import Batch
from litemono.data.datasets import registry
from litemono.data.stores.packed import is_pack
from litemono.engine.precision import HALF, choose_precision
from litemono.engine.profiler_trace import PARTS, REST, STEP, WAITING, Costs, costs, read_events
from litemono.engine.training import Training
from litemono.tasks.monodepth_settings import TrainConfig
from litemono.utils.atomic_files import write_atomically

WARM_UP = 3  # steps of a start that are not typical: cuDNN chooses its algorithms, allocators and caches fill
DATA_KEEPS_UP = 0.02  # share of the time that may be spent waiting for data
GPU_FULL = 0.9  # share of the time from which on a GPU counts as busy all the time
NAMED = 3  # operations that the summary names

Steps = Iterator[tuple[float, Batch]]


@dataclass
class Timing:
    """Of the recorded steps, by the clock on the wall."""

    steps: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    """Seconds of these spent waiting for data."""

    @property
    def data_wait(self) -> float:
        return self.waited / self.seconds


class Profiler:
    """Records `--profile` steps as they pass; without the flag, and except on rank 0, it only hands them on.

    The steps follow each other in one epoch: a validation between them would make the trace many times as large.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.wanted = training.config.run.profile if training.run else None
        self.timing = Timing()
        self._warm_up = WARM_UP
        self._torch: profile | None = None

    def __enter__(self) -> Profiler:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """The run ends: tell about the steps that were recorded, if fewer than wanted."""
        if self.wanted and kind is None:
            self._finish()

    def watch(self, steps: Steps) -> Steps:
        """The same steps (seconds waited, batch) of an epoch, some of them recorded."""
        while self.wanted and not self._due():
            step = next(steps, None)
            if step is None:
                return
            self._warm_up -= 1
            yield step
        if self.wanted:
            yield from self._record(steps)
        yield from steps

    def _due(self) -> bool:
        """Warmed up, and the epoch still has as many steps as can be recorded at a time."""
        t = self.training
        in_epoch = (t.data.train_samples - t.progress.samples) // t.global_batch
        in_run = t.total_steps - t.progress.step
        return self._warm_up <= 0 and in_epoch >= min(self.wanted, t.steps_per_epoch, in_run) > 0

    def _record(self, steps: Steps) -> Steps:
        self._start()
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
                    yield step
        finally:  # also where the loop leaves after this step
            self._settle()
            self.timing.seconds = time.perf_counter() - start
            self._torch.stop()
        self._finish()

    def _start(self) -> None:
        device = self.training.processes.device
        os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # else it complains about a missing GPU
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
        self._torch = profile(activities=activities)
        self._torch.start()
        torch.zeros(1, device=device)  # what comes first waits for the profiler's own beginnings
        self._settle()

    def _settle(self) -> None:
        """Wait until the GPU has done what it was given, so that the clock counts all of it and nothing else."""
        if self.training.processes.device.type == "cuda":
            torch.cuda.synchronize(self.training.processes.device)

    def _finish(self) -> None:
        """Write trace and summary, and say the summary. No trouble with them ends a training."""
        t, torch_profile = self.training, self._torch
        wanted, self.wanted, self._torch = self.wanted, None, None
        if torch_profile is None or t.log.stop_requested:
            ended = "was interrupted, the same command tries again" if t.log.stop_requested else "ended first"
            t.report.say(f"--profile {wanted}: no profile; it needs {WARM_UP} steps to warm up, and the run {ended}")
            return
        folder = t.run.path / "profile"
        try:
            folder.mkdir(exist_ok=True)
            trace = folder / "trace.json.gz"
            torch_profile.export_chrome_trace(str(trace))
            lines = summary(t, wanted, self.timing, costs(read_events(trace)))
            write_atomically(folder / "summary.txt", "".join(f"{line}\n" for line in lines).encode())
        except Exception as error:  # a full disk, a trace of a torch that writes it differently
            t.report.say(f"--profile {wanted}: no profile ({type(error).__name__}: {error})")
            return
        for line in (*lines, f"Trace: {trace} (open it in ui.perfetto.dev)"):
            t.report.say(line)
        t.report.clock.restart()


def summary(t: Training, wanted: int, timing: Timing, measured: Costs) -> list[str]:
    """Five lines for whoever wants to know what the training waits for."""
    return [
        what(t, wanted, timing),
        f"Waiting for data: {percent(timing.data_wait)} of the time; {data_verdict(t, timing, measured)}.",
        parts(timing, measured),
        operations(timing, measured),
        limit(t, timing, measured),
    ]


def what(t: Training, wanted: int, timing: Timing) -> str:
    device, memory = f"a CPU ({counted(torch.get_num_threads(), 'thread')})", ""
    if t.processes.device.type == "cuda":
        device = torch.cuda.get_device_name(t.processes.device)
        most = torch.cuda.max_memory_allocated(t.processes.device) / 2**30
        all_of_it = torch.cuda.get_device_properties(t.processes.device).total_memory / 2**30
        memory = f", at most {most:.1f} of {all_of_it:.1f} GiB of its memory"
    asked = f" (of {wanted} asked for)" if timing.steps < wanted else ""
    processes = f" (this is one of {t.processes.size} processes)" if t.processes.size > 1 else ""
    seconds = timing.seconds / timing.steps
    return (
        f"Profile: {counted(timing.steps, 'step')}{asked} of batch {t.global_batch}{processes} on {device} in {t.precision}: "
        f"{seconds:.3g} s a step, {t.global_batch / seconds:.3g} img/s with the profiler's own cost{memory}."
    )


def data_verdict(t: Training, timing: Timing, measured: Costs) -> str:
    if timing.data_wait < DATA_KEEPS_UP:
        return "the data keeps up"
    if gpu_share(timing, measured) >= GPU_FULL:
        return "the GPU was busy with earlier steps meanwhile"
    return f"too much, worth trying: {faster_data(t.config)}"


def faster_data(config: TrainConfig) -> str:
    data, cores = config.data, len(os.sched_getaffinity(0))
    ways = []
    if data.dataset in registry.PACKABLE and not is_pack(data.data_path):
        ways.append("packed frames (python -m litemono.prepare pack)")
    if data.threads < cores:
        ways.append(f"a larger --num_workers (now {data.threads}, of {counted(cores, 'core')})")
    return " or ".join(ways) or f"more CPU cores for the job (now {cores})"


def computing_seconds(timing: Timing, measured: Costs) -> float:
    """What the shares of parts and operations are shares of."""
    if measured.gpu_busy is None:
        return timing.seconds - timing.waited
    return sum(measured.parts.values())


def parts(timing: Timing, measured: Costs) -> str:
    computing = computing_seconds(timing, measured)
    seconds = {part: measured.parts.get(part, 0.0) for part in PARTS}
    seconds[REST] = computing - sum(seconds.values())
    whose = "Computing" if measured.gpu_busy is None else "The GPU's work"
    return f"{whose}: " + ", ".join(f"{part} {percent(spent / computing)}" for part, spent in seconds.items()) + "."


def operations(timing: Timing, measured: Costs) -> str:
    computing = computing_seconds(timing, measured)
    best = (
        f"{name} {percent(seconds / computing)} ({count / timing.steps:.0f} a step)"
        for name, seconds, count in measured.operations[:NAMED]
    )
    return "Most expensive operations: " + ", ".join(best) + "."


def gpu_share(timing: Timing, measured: Costs) -> float:
    """Of the time in which the GPU worked; 0 without one."""
    return min(1.0, (measured.gpu_busy or 0.0) / timing.seconds)


def limit(t: Training, timing: Timing, measured: Costs) -> str:
    """What the step cannot go faster than, and what to do about it."""
    if measured.gpu_busy is None and t.processes.device.type == "cuda":
        return (
            "Limit: unknown; the profiler got no times from the GPU (CUPTI does not work here), parts are the host's."
        )
    if measured.gpu_busy is None:
        if timing.data_wait > 0.5:
            return "Limit: the data."
        return "Limit: the CPU's computing. " + trying(["a GPU", *less_work(t, measured)])
    busy = gpu_share(timing, measured)
    head = f"Limit: the GPU was busy {percent(busy)} of the time, so "
    if busy >= GPU_FULL:
        return head + "its computing. " + trying([*less_work(t, measured)])
    if timing.data_wait >= (1 - busy) / 2:
        return head + f"the data. {trying([faster_data(t.config)])}"
    ways = ["a smaller --accumulate"] if t.config.optim.accumulate > 1 else []
    ways += ["a larger --batch_size (another training)", *compiling(t, measured), "faster or less loaded CPU cores"]
    return head + "the host, which hands out work too slowly (the profiler slows it further). " + trying(ways)


def less_work(t: Training, measured: Costs) -> Iterator[str]:
    """Ways to the same or nearly the same training with less computing."""
    best = choose_precision(None, t.processes.device)
    if best in HALF and t.precision not in HALF:
        yield f"--precision {best}"
    yield from compiling(t, measured)
    yield "a smaller --model or --height and --width"


def compiling(t: Training, measured: Costs) -> list[str]:
    """--compile fuses a part of the objective, if that is worth it."""
    share = measured.parts.get("objective", 0.0) / sum(measured.parts.values())
    return ["--compile"] if share >= 0.05 and not (t.config.optim.compile or t.config.loss.no_ssim) else []


def trying(ways: list[str]) -> str:
    return f"Worth trying: {', '.join(ways)}."


def percent(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.0995 else 1}f} %"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
