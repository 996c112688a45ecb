"""Time and memory of the subjects of one case, taken in processes of their own."""

from __future__ import annotations

import itertools
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import torch

from benchmarks.step_memory import MB, MemoryMeter, kept_for_backward, limit_memory
from benchmarks.step_subjects import NETWORKS, PARTS, PUBLISHED, STEP, Case, Inputs, Subject, Work, build, precision_of
from litemono.engine.precision import HALF, apply_precision
from litemono.engine.settings import Precision
from litemono.utils.device import is_out_of_memory
from litemono.utils.parallel import PROCESSES, end_with_parent

TURN_SECONDS = 0.2  # a subject's turn lasts at least so long, in whole calls
MOST_CALLS = 50  # of one turn
MATMUL_SIZE = {"cuda": 8192, "cpu": 1024}  # large enough for the device's full speed
# What is compared most is timed closest together: each subject's step and networks, then the rest of all subjects.
COMPARED = (STEP, NETWORKS)
OTHER_PARTS = tuple(part for part in PARTS if part not in COMPARED)
MEASURED, OUT_OF_MEMORY = "measured", "out of memory"


@dataclass(frozen=True)
class Job:
    """What one process measures."""

    case: Case
    subjects: tuple[str, ...]
    device: str
    memory_limit: float | None
    """Bytes that the process may take; None: what is free."""
    memory: bool
    """Measure memory, of each subject as it is built."""
    repeats: int
    """Rounds of timing, in which all subjects take turns; 0: none."""


@dataclass
class Measured:
    """What is known of a subject."""

    status: str = MEASURED
    memory_mb: float | None = None
    """Peak over two steps beyond the batch: weights, gradients, optimiser states and all that the steps need. On a CPU
    by the process's resident pages other than of files, on a GPU by torch's allocator."""
    reserved_mb: float | None = None
    """On a GPU, what torch's allocator took from the driver for it."""
    kept_mb: float | None = None
    """Tensors kept for the backward pass at their peak: the same on all devices and for all allocators. None where the
    step is a recorded CUDA graph, which keeps them all."""
    ms: dict[str, list[float]] = field(default_factory=dict)
    """Of a whole step and of its parts: milliseconds per call in each round."""
    matmul_tflops: float | None = None
    """Speed of a large square matrix product in this precision."""

    def median(self, part: str) -> float:
        return statistics.median(self.ms[part])


def in_own_process(job: Job) -> dict[str, Measured]:
    """Run the job in a fresh process: by subject what it measured before it ended, however it ended."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_serve, args=(job, sender), daemon=True)
    process.start()
    sender.close()
    found: dict[str, Measured] = {}
    try:
        while True:
            subject, measured = receiver.recv()
            found[subject] = measured
    except EOFError:
        process.join()
    if process.exitcode:
        killed = process.exitcode == -signal.SIGKILL  # what the system does to a process that takes all memory
        status = OUT_OF_MEMORY if killed else f"failed (exit status {process.exitcode})"
        for subject in job.subjects:
            found.setdefault(subject, Measured()).status = status
    return found


def _serve(job: Job, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and with it this process
    end_with_parent()  # its memory is wanted too
    for subject, measured in measure(job).items():
        sender.send((subject, measured))


def measure(job: Job) -> dict[str, Measured]:
    """All subjects of the job, in this process, whose memory is limited from then on."""
    device = torch.device(job.device)
    inputs = Inputs(job.case, device)
    limit_memory(device, job.memory_limit)
    found = {name: Measured() for name in job.subjects}
    alive: dict[str, Subject] = {}
    for name, measured in found.items():
        say(f"  {name}: {'memory' if job.memory else 'warm-up'}")
        with surviving(measured):
            alive[name] = build_metered(name, inputs, measured) if job.memory else build(name, inputs)
    if job.repeats:
        take_turns(alive, found, job.repeats, device)
    return found


# ---------------------------------------------------------------- time


def take_turns(alive: dict[str, Subject], found: dict[str, Measured], rounds: int, device: torch.device) -> None:
    """Time steps and parts of all subjects in rounds, one after the other, so that a slow minute hits them all."""
    work: dict[str, dict[str, Work]] = {}
    calls: dict[str, dict[str, int]] = {}
    for name, subject in alive.items():
        with surviving(found[name]):
            subject.enter()
            work[name] = {STEP: subject.step, **subject.make_parts()}
            calls[name] = {part: _calls(work[name][part], device) for part in (STEP, *PARTS)}
            if name != PUBLISHED:
                found[name].matmul_tflops = matmul_tflops(precision_of(name), device)
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        for name, part in itertools.chain(*(itertools.product(alive, parts) for parts in (COMPARED, OTHER_PARTS))):
            if found[name].status == MEASURED:
                with surviving(found[name]):
                    alive[name].enter()
                    took = _turn(work[name][part], calls[name][part], device)
                    found[name].ms.setdefault(part, []).append(took)


def _calls(work: Work, device: torch.device) -> int:
    """How many calls make a turn; the first call here warms up."""
    return max(1, min(MOST_CALLS, round(1000 * TURN_SECONDS / _turn(work, 1, device))))


def _turn(work: Work, calls: int, device: torch.device) -> float:
    """Milliseconds per call. On a GPU one call before them puts the allocator in order after another subject's turn."""
    if device.type == "cuda":
        work()
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(calls):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - start) / calls


def matmul_tflops(precision: Precision, device: torch.device) -> float:
    """10^12 floating-point operations per second in products of two large square matrices, the median of some."""
    apply_precision(precision)
    size = MATMUL_SIZE[device.type]
    a, b = torch.randn(2, size, size, device=device, dtype=HALF.get(precision, torch.float32))
    calls = _calls(lambda: a @ b, device)
    return 2 * size**3 / statistics.median(_turn(lambda: a @ b, calls, device) for _ in range(5)) / 1e9


# ---------------------------------------------------------------- memory


@contextmanager
def surviving(measured: Measured) -> Iterator[None]:
    """Running out of memory, or what else goes wrong, becomes the subject's status: the others have theirs still."""
    try:
        yield
    except Exception as error:
        # oneDNN's way of saying it; a step that is not allowed too little memory never says so.
        by_onednn = isinstance(error, RuntimeError) and "could not create a" in str(error)
        short = by_onednn or is_out_of_memory(error)
        measured.status = OUT_OF_MEMORY if short else f"failed ({type(error).__name__})"
        say(f"  {measured.status}: {next(iter(str(error).strip().splitlines()), '')}")


def build_metered(name: str, inputs: Inputs, measured: Measured) -> Subject:
    """The subject, and what it and its second step take."""
    meter = MemoryMeter(inputs.device)
    subject = build(name, inputs)
    subject.step()
    measured.memory_mb, measured.reserved_mb = meter.read()
    if not subject.recorded:
        measured.kept_mb = kept_for_backward(subject) / MB
    return subject


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
