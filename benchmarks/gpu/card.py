"""The card, asked in a process of its own: torch's context on it would take memory and count as another process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass

from benchmarks.gpu.parts import ROOT, Part, environment
from litemono.diagnosis.gpu import has_code_for
from litemono.utils.errors import UserError

ASK = ("-c", "from benchmarks.gpu.card import answer; answer()")
SECONDS = 120  # until torch has been imported from a slow disk and has answered


@dataclass(frozen=True)
class Card:
    """The first card that torch sees."""

    torch: str
    problem: str = ""
    """Why torch cannot use it, else empty and all of the following is known."""
    count: int = 0
    name: str = ""
    architecture: str = ""
    """sm_90"""
    code_for: tuple[str, ...] = ()
    """Architectures that this torch has code for."""
    free_gb: float = 0.0


def answer() -> None:
    """Print a Card as JSON, in the last line."""
    import torch

    from litemono.diagnosis.gpu import wheel_architectures

    version = f"{torch.__version__}, built for CUDA {torch.version.cuda}"
    try:
        torch.cuda.init()
        card = Card(
            version,
            "",
            torch.cuda.device_count(),
            torch.cuda.get_device_name(0),
            "sm_{}{}".format(*torch.cuda.get_device_capability(0)),
            tuple(wheel_architectures()),
            torch.cuda.mem_get_info(0)[0] / 1e9,
        )
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts that it has it
        card = Card(version, str(error).strip().splitlines()[0])
    print(json.dumps(asdict(card)))


def look() -> Card:
    """Ask the card."""
    try:
        done = subprocess.run(
            [sys.executable, *ASK], cwd=ROOT, env=environment("cuda"), capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return Card("?", f"the card did not answer within {SECONDS} seconds")
    if done.returncode:
        return Card("?", (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Card(**{**found, "code_for": tuple(found["code_for"])})


def check_device(device: str) -> Card | None:
    """The card; None for a CPU. UserError where no part could run."""
    if device == "cpu":
        return None
    card = look()
    if card.problem:
        driver = "nvidia-smi runs, so its driver may be too old" if nvidia_smi("-L") else "no NVIDIA driver answers"
        raise UserError(
            f"--device cuda: torch {card.torch} cannot use a card ({card.problem}; {driver}); install a torch for this driver "
            "(envs/README.md), or try the parts without: --device cpu --small"
        )
    if not has_code_for(card.architecture, card.code_for):
        raise UserError(
            f"--device cuda: torch {card.torch} has no code for {card.name} ({card.architecture}; it has "
            f"{' '.join(card.code_for)}); envs/README.md lists versions that have"
        )
    return card


def obstacle(device: str, small: bool, part: Part, card: Card | None) -> str | None:
    """Why the part cannot run here; None where it can."""
    if device == "cpu" or card is None:
        return f"needs {part.cards} cards" if part.cards > 1 else None
    if card.problem:
        return f"torch cannot use the card any more: {card.problem}"
    if card.count < part.cards:
        return f"needs {part.cards} cards, this machine has {card.count}"
    if card.free_gb < part.free_gb and not small:
        return f"needs {part.free_gb:g} GB of free GPU memory, there are {card.free_gb:.1f}"
    return None


def others_on_the_card() -> list[str]:
    """Processes that compute on the card, as nvidia-smi lists them; in a container it may list none."""
    return nvidia_smi("--query-compute-apps=pid,used_memory", "--format=csv,noheader")


def nvidia_smi(*flags: str) -> list[str]:
    """Lines that it prints; none where there is no nvidia-smi, or it fails or hangs."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        done = subprocess.run(["nvidia-smi", *flags], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
