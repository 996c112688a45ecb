"""Runs the parts one after the other, each in a process of its own, and writes what is known after each."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch

from benchmarks.gpu.card import check_device, look, obstacle, others_on_the_card
from benchmarks.gpu.commands import PASSED, TOO_LONG, ended_like_interrupted, run_command
from benchmarks.gpu.parts import NAMES, PARTS, Part, Session
from benchmarks.gpu.summary import write_summary
from benchmarks.machine import machine
from benchmarks.record import write_record
from litemono.utils import cli
from litemono.utils.atomic_files import full_disk_explained, read_json, writable, write_json
from litemono.utils.commit import code_commit
from litemono.utils.errors import require

SKIPPED = "skipped"
NO_TIME = "not started: less time is left than it may take; start again for it"


@dataclass(frozen=True)
class GpuConfig:
    """What is run, and where the results go."""

    out: Path = Path("gpu_results")
    """Folder for results: a JSON file and a log for each part, summary.md, and the parts' own files. A second start
    continues after the parts that passed."""
    only: tuple[str, ...] = ()
    """Run these parts alone: correctness resume step step-compiled data inference learning step-batches step-models
    step-large ddp."""
    minutes: float | None = None
    """Start no part that could end later than this, as where the card is lent for half an hour. Default: no limit."""
    again: bool = False
    """Also run parts that have passed before."""
    device: Literal["cuda", "cpu"] = "cuda"
    """cpu: to try the parts where there is no card."""
    small: bool = False
    """Small images and few steps: whether everything runs, in a few minutes. The figures mean nothing."""


@dataclass(frozen=True)
class Outcome:
    """What became of a part."""

    part: str
    status: str
    why: str = ""
    """Why it was skipped, or the last line of what it printed."""
    seconds: float = 0.0
    commands: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Other processes that computed on the card when it started."""


def run_session(config: GpuConfig) -> int:
    """Run everything that is to be shown on a card: correctness, exact resume, the step against the published recipe, data,
    inference, learning, other models and sizes, two cards. Each part takes at most 8 minutes and leaves its results at once.

    Example: python -m benchmarks.gpu --out gpu_results --minutes 28
    """
    started = time.monotonic()
    unknown = sorted(set(config.only) - set(NAMES))
    require(not unknown, f"--only {' '.join(unknown)}: no such part; there are {', '.join(NAMES)}")
    require(config.minutes is None or config.minutes > 0, f"--minutes {config.minutes}: must be positive")
    card = check_device(config.device)
    session = Session(config.device, config.small, config.out.absolute(), "" if card is None else card.name)
    with full_disk_explained(config.out), ended_like_interrupted():
        with writable(config.out):
            session.out.mkdir(parents=True, exist_ok=True)
        claim(session)
        return run_parts(session, config, started)


def run_parts(session: Session, config: GpuConfig, started: float) -> int:
    """The exit status."""
    wanted = [part for part in possible(session) if part.name in config.only or not config.only]
    for number, part in enumerate(wanted, 1):
        say(f"part {number} of {len(wanted)}: {part.name} (at most {part.minutes:g} min). {part.question}")
        if not config.again and previous(session, part) == PASSED:
            say(f"  passed before; --again repeats it ({result_file(session, part)})")
            continue
        if config.minutes is not None and config.minutes - (time.monotonic() - started) / 60 < part.minutes:
            say(f"  {NO_TIME}")
            continue
        outcome = run_part(session, part)
        say(f"  {outcome.status} after {outcome.seconds:.0f} s" + (f": {outcome.why}" if outcome.why else ""))
        record(session, part, outcome)
        write_summary(session.out, [result_file(session, each) for each in PARTS])
    say(f"summary: {session.out / 'summary.md'}")
    return 0 if all(previous(session, part) in (PASSED, SKIPPED, None) for part in wanted) else cli.CRASHED


def possible(session: Session) -> list[Part]:
    return [part for part in PARTS if part.small or not session.small]


def claim(session: Session) -> None:
    """Note in OUT/session.json what its results are of; UserError where they are of something else. Parts continue from files
    of their own, which must not be another device's."""
    path, ours = session.out / "session.json", {"device": session.gpu or session.device, "small": session.small}
    found = read_json(path)
    require(
        found in ({}, ours),
        f"--out {session.out}: has results of another device or size ({found}; now {ours}); give another folder",
    )
    write_json(path, ours, indent=None)


# ---------------------------------------------------------------- a part


def run_part(session: Session, part: Part) -> Outcome:
    """Run its commands, with their output in OUT/PART.log."""
    card = look() if session.device == "cuda" else None
    if (why := obstacle(session.device, session.small, part, card)) is not None:
        return Outcome(part.name, SKIPPED, why)
    others = tuple(others_on_the_card()) if session.device == "cuda" else ()
    if others:
        say(f"  warning: other processes compute on this card ({'; '.join(others)}); timings are not to be trusted")
    commands = part.commands(session)
    texts = tuple(shlex.join(("python", *command[1:])) for command in commands)
    start = time.monotonic()
    path = session.out / f"{part.name}.log"
    with open(path, "w") as log:
        for command, text in zip(commands, texts, strict=True):
            print(f"$ {text}", file=log, flush=True)
            left = 60 * part.minutes - (time.monotonic() - start)
            status = run_command(command, log, left, session.device)
            if status != PASSED:
                break
    seconds = time.monotonic() - start
    why = last_line(path) if status != PASSED or part.tells else ""
    if status == TOO_LONG:
        why = f"{part.minutes:g} min; last: {why}"
    return Outcome(part.name, status, why, seconds, texts, others)


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip("= ") if lines else ""


# ---------------------------------------------------------------- results


def result_file(session: Session, part: Part) -> Path:
    return session.out / f"{part.name}.result.json"


def previous(session: Session, part: Part) -> str | None:
    """Status of an earlier run of the part."""
    return read_json(result_file(session, part)).get("status")


def record(session: Session, part: Part, outcome: Outcome) -> None:
    content = {
        **asdict(outcome),
        "question": part.question,
        "small": session.small,
        "commit": code_commit(),
    }
    write_record(result_file(session, part), described(session), content)


def described(session: Session) -> dict[str, object]:
    """Without asking the card from this process, see card.py."""
    of_card = {
        "device": "cuda",
        "gpu": session.gpu,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
    return {**machine(torch.device("cpu")), **(of_card if session.device == "cuda" else {})}


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    cli.run(run_session, GpuConfig, "python -m benchmarks.gpu")
