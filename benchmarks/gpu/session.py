"""Runs the parts one after the other, each in a process of its own, and writes what is known after each."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch

from benchmarks.gpu.parts import NAMES, PARTS, ROOT, Part, Session, environment
from benchmarks.gpu.summary import write_summary
from benchmarks.machine import machine
from litemono.utils import cli
from litemono.utils.atomic_files import write_atomically
from litemono.utils.commit import code_commit
from litemono.utils.errors import UserError, require

PASSED, FAILED, TOO_LONG, SKIPPED = "passed", "failed", "ran past its limit", "skipped"


@dataclass(frozen=True)
class GpuConfig:
    """What is run, and where the results go."""

    out: Path = Path("gpu_results")
    """Folder for results: a JSON file and a log for each part, summary.md, and the parts' own files. A second start goes
    on after the parts that passed."""
    only: tuple[str, ...] = ()
    """Run these parts alone: correctness resume step data inference learning step-batches step-models step-large ddp."""
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


def run_session(config: GpuConfig) -> int:
    """Run everything that is to be shown on a card: correctness, exact resume, the step against the published recipe, data,
    inference, learning, other models and sizes, two cards. Each part takes at most 8 minutes and leaves its results at once.

    Example: python -m benchmarks.gpu --out gpu_results
    """
    unknown = sorted(set(config.only) - set(NAMES))
    require(not unknown, f"--only {' '.join(unknown)}: no such part; there are {', '.join(NAMES)}")
    check_device(config.device)
    out = config.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    session = Session(config.device, config.small, out)
    possible = [part for part in PARTS if part.small or not config.small]
    wanted = [part for part in possible if part.name in config.only or not config.only]
    for number, part in enumerate(wanted, 1):
        say(f"part {number} of {len(wanted)}: {part.name} (at most {part.minutes:g} min). {part.question}")
        if not config.again and previous(session, part) == PASSED:
            say(f"  passed before; --again repeats it ({result_file(session, part)})")
            continue
        outcome = run_part(session, part)
        say(f"  {outcome.status} after {outcome.seconds:.0f} s" + (f": {outcome.why}" if outcome.why else ""))
        record(session, part, outcome)
        write_summary(out, [result_file(session, each) for each in PARTS])
    say(f"summary: {out / 'summary.md'}")
    return 0 if all(previous(session, part) in (PASSED, SKIPPED) for part in wanted) else cli.CRASHED


# ---------------------------------------------------------------- before a part


def check_device(device: str) -> None:
    """Raise UserError where no part could run."""
    if device == "cpu":
        return
    if not torch.cuda.is_available():
        driver = (
            "nvidia-smi runs, so the driver may be too old for this torch" if nvidia_smi("-L") else "no NVIDIA driver"
        )
        built = f"torch {torch.__version__} is built for CUDA {torch.version.cuda}"
        raise UserError(
            f"--device cuda: torch sees no card ({driver}; {built}); --device cpu --small tries the parts without"
        )
    major, minor = torch.cuda.get_device_capability()
    built_for = [int(name.split("_")[1].rstrip("a")) for name in torch.cuda.get_arch_list() if name.startswith("sm_")]
    require(
        not built_for or 10 * major + minor >= min(built_for),
        f"--device cuda: {torch.cuda.get_device_name()} (compute capability {major}.{minor}) is too old for this torch, which "
        f"is built for {', '.join(torch.cuda.get_arch_list())}; envs/README.md lists older ones",
    )


def obstacle(session: Session, part: Part) -> str | None:
    """Why the part cannot run here; None where it can."""
    if session.device == "cpu":
        return f"needs {part.cards} cards" if part.cards > 1 else None
    if torch.cuda.device_count() < part.cards:
        return f"needs {part.cards} cards, this machine has {torch.cuda.device_count()}"
    free = torch.cuda.mem_get_info()[0] / 1e9
    if free < part.free_gb and not session.small:
        return f"needs {part.free_gb:g} GB of free GPU memory, there are {free:.1f}"
    return None


def others_on_the_card() -> list[str]:
    """Processes that compute on the card, as nvidia-smi lists them."""
    return nvidia_smi("--query-compute-apps=pid,used_memory", "--format=csv,noheader")


def nvidia_smi(*flags: str) -> list[str]:
    """Lines that it prints; none where there is no nvidia-smi or it fails."""
    if shutil.which("nvidia-smi") is None:
        return []
    done = subprocess.run(["nvidia-smi", *flags], capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines() if done.returncode == 0 else []


# ---------------------------------------------------------------- a part


def run_part(session: Session, part: Part) -> Outcome:
    """Run its commands, with their output in OUT/PART.log and here."""
    if (why := obstacle(session, part)) is not None:
        return Outcome(part.name, SKIPPED, why)
    if session.device == "cuda" and (others := others_on_the_card()):
        say(f"  warning: other processes compute on this card ({'; '.join(others)}); timings are not to be trusted")
    commands = part.commands(session)
    texts = tuple(shlex.join(("python", *command[1:])) for command in commands)
    start = time.monotonic()
    with open(session.out / f"{part.name}.log", "w") as log:
        for command, text in zip(commands, texts, strict=True):
            print(f"$ {text}", file=log, flush=True)
            left = 60 * part.minutes - (time.monotonic() - start)
            status = run_command(command, log, left, session.device)
            if status != PASSED:
                break
    lines = (session.out / f"{part.name}.log").read_text().strip().splitlines()
    return Outcome(part.name, status, "" if status == PASSED else lines[-1], time.monotonic() - start, texts)


def run_command(command: tuple[str, ...], log, seconds: float, device: str) -> str:
    with subprocess.Popen(command, cwd=ROOT, env=environment(device), stdout=log, stderr=subprocess.STDOUT) as process:
        try:
            return PASSED if process.wait(max(1.0, seconds)) == 0 else FAILED
        except subprocess.TimeoutExpired:
            process.terminate()
            return TOO_LONG
        except KeyboardInterrupt:
            process.terminate()
            raise


# ---------------------------------------------------------------- results


def result_file(session: Session, part: Part) -> Path:
    return session.out / f"{part.name}.result.json"


def previous(session: Session, part: Part) -> str | None:
    """Status of an earlier run of the part on the same kind of device and at the same sizes."""
    try:
        found = json.loads(result_file(session, part).read_text())
    except (FileNotFoundError, ValueError):
        return None
    same = found.get("machine", {}).get("device") == session.device and found.get("small") == session.small
    return found.get("status") if same else None


def record(session: Session, part: Part, outcome: Outcome) -> None:
    described = machine(torch.device(session.device))
    content = {
        **asdict(outcome),
        "question": part.question,
        "small": session.small,
        "commit": code_commit(),
        "machine": described,
    }
    write_atomically(result_file(session, part), (json.dumps(content, indent=1) + "\n").encode())


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    cli.run(run_session, GpuConfig, "python -m benchmarks.gpu")
