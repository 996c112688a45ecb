"""Inputs are used in a child process; its time and memory are watched from outside, so that no input can escape them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded

from litemono.utils.errors import USER_ERRORS

from .kinds.base import Kind
from .sandbox import Sandbox

SECONDS = 5.0  # of processor time, or six times that where it only waits
START_SECONDS = 120.0  # for what comes before the first input
MEMORY = 1 << 30  # above that of whole inputs
CHUNK = 250  # inputs that one child generates from one seed
POLL_SECONDS = 0.05
LONGEST_POLL = 1.0  # counted of the time between two looks: this process may have been stopped, and the child with it
LONGEST_MESSAGE = 3000
OUR_PACKAGES = {"litemono", "networks", "evaluate", "export_gt"}
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


@dataclass
class Findings:
    """What a kind's inputs led to."""

    accepted: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """By what happened and where."""
    examples: dict[str, bytes] = field(default_factory=dict)
    """The first input of each fault."""
    slowest: float = 0.0
    """Seconds of processor time for one input."""

    @property
    def inputs(self) -> int:
        return self.accepted + self.refused + sum(self.faults.values())

    def fault(self, what: str, data: bytes) -> None:
        self.faults[what] += 1
        self.examples.setdefault(what, data)

    def add(self, other: Findings) -> None:
        self.accepted, self.refused = self.accepted + other.accepted, self.refused + other.refused
        self.faults += other.faults
        self.examples = other.examples | self.examples
        self.slowest = max(self.slowest, other.slowest)


def try_kind(kind: Kind, inputs: int, seed: int, work: Path) -> Findings:
    """Use `inputs` mutations of a kind; the same seed gives the same inputs."""
    findings = Findings()
    for chunk in range(0, inputs, CHUNK):
        findings.add(_chunk(kind, min(CHUNK, inputs - chunk), seed * 1_000_000 + chunk, work))
    return findings


def _chunk(kind: Kind, inputs: int, seed: int, work: Path) -> Findings:
    """One child after another, each beginning behind the input that ended the one before."""
    findings, first = Findings(), 0
    context = multiprocessing.get_context("fork")  # strategies cannot be pickled
    while first < inputs:
        child = _Child(context, kind, inputs, first, seed, work)
        ended = child.watch(findings)
        index, accepted, refused, slowest = child.numbers
        findings.add(Findings(int(accepted), int(refused), slowest=slowest))
        if ended is None:
            return findings
        if index < 0:
            raise RuntimeError(f"{kind.name}: {ended} before the first input")
        findings.fault(ended, (work / "current").read_bytes())
        first = int(index) + 1
    return findings


class _Child:
    """The process that uses a chunk's inputs from `first` on."""

    def __init__(self, context, kind: Kind, inputs: int, first: int, seed: int, work: Path) -> None:
        self.numbers = context.Array("d", [-1.0, 0.0, 0.0, 0.0])
        """Index of the current input, how many were accepted and refused, and the seconds of the slowest."""
        self.receiver, sender = context.Pipe(duplex=False)
        arguments = (kind, inputs, first, seed, work, self.numbers, sender)
        self.process = context.Process(target=_child, args=arguments, daemon=True)
        self.process.start()
        sender.close()

    def watch(self, findings: Findings) -> str | None:
        """Collect faults until all inputs are used; returns what ended the process before, if anything did."""
        index, waited, looked, cpu, normal = -1.0, 0.0, time.monotonic(), 0.0, 0
        try:
            while True:
                waited, looked = waited + min(time.monotonic() - looked, LONGEST_POLL), time.monotonic()
                if self.receiver.poll(POLL_SECONDS):
                    fault = self.receiver.recv()
                    if fault is None:
                        self.process.join(START_SECONDS)
                        return None
                    findings.fault(*fault)
                    continue
                used, memory = usage(self.process.pid)
                if self.numbers[0] != index:
                    normal = memory if index < 0 else normal
                    index, waited, cpu = self.numbers[0], 0.0, used
                elif index >= 0 and (used - cpu > SECONDS or waited > 6 * SECONDS):
                    return f"takes more than {SECONDS:.0f} s"
                if index < 0 and waited > START_SECONDS:
                    return f"hangs for {START_SECONDS:.0f} s"
                if index >= 0 and memory - normal > MEMORY:
                    return "takes more than 1 GB above what whole inputs take"
        except EOFError:
            self.process.join(START_SECONDS)
            return f"ends the process (exit status {self.process.exitcode})"
        finally:
            self.process.kill()
            self.process.join()


def usage(pid: int) -> tuple[float, int]:
    """Seconds of processor time and bytes of memory of a process; zeros where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0
    return (int(fields[11]) + int(fields[12])) / TICKS, int(fields[21]) * PAGE


def _child(kind: Kind, inputs: int, first: int, seed: int, work: Path, numbers, sender) -> None:
    gc.freeze()  # what a fork inherits is never collected: destructors may wait for threads that it does not have
    folder = work / "inside"
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    sandbox, count = Sandbox(folder), 0
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        use = kind.prepare(folder)
        for whole in kind.wholes:
            use(whole)  # must not raise: what is whole is accepted

        @seeded(seed)
        @settings(max_examples=inputs, phases=[Phase.generate], database=None, deadline=None,
                  suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet)  # fmt: skip
        @given(kind.inputs)
        def each(data: bytes) -> None:
            nonlocal count
            if count >= first:
                (work / "current").write_bytes(data)
                numbers[0] = count
                began = time.process_time()
                refused, faults = outcome(use, data, sandbox)
                numbers[3] = max(numbers[3], time.process_time() - began)
                numbers[1 + refused] += not faults
                for fault in faults:
                    sender.send((fault, data))
            count += 1

        each()
    sender.send(None)


def outcome(use: Callable[[bytes], object], data: bytes, sandbox: Sandbox) -> tuple[bool, list[str]]:
    """Whether the input was refused, and what was wrong about how it was used."""
    faults, refused = [], False
    sandbox.on = True
    try:
        use(data)
    except USER_ERRORS as error:
        refused, text = True, str(error)
        if not text or len(text) > LONGEST_MESSAGE or "\n" in text.strip():
            faults.append(f"is refused in more than a sentence: {text[:300]!r}")
    except BaseException as error:
        faults.append(describe(error))
    finally:
        sandbox.on = False
    faults += [f"offends: {offence}" for offence in sandbox.offences]
    sandbox.offences.clear()
    return refused, faults


def describe(error: BaseException) -> str:
    """The error and the innermost place in our code, by which faults are counted."""
    frames = [(Path(frame.filename), frame) for frame in traceback.extract_tb(error.__traceback__)]
    ours = [frame for path, frame in frames if OUR_PACKAGES & set(path.parts) and "site-packages" not in path.parts]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno} {ours[-1].name}" if ours else "outside our code"
    return f"{type(error).__name__} at {place}: {str(error)[:120]}"
