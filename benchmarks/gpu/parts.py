"""The parts of a session on a card, in order: commands, time limits and what they need."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Session:
    """What all parts are told."""

    device: str
    small: bool
    out: Path
    """Folder of the results; parts keep their own files in subfolders named after them."""
    gpu: str = ""
    """Name of the card."""

    def module(self, name: str, *flags: object) -> tuple[str, ...]:
        """`python -m NAME FLAGS...`"""
        return sys.executable, "-m", name, *map(str, flags)


@dataclass(frozen=True)
class Part:
    name: str
    question: str
    """What it answers, for the summary."""
    commands: Callable[[Session], list[tuple[str, ...]]]
    minutes: float
    """Limit; the process is stopped then, and what it wrote until then counts."""
    free_gb: float = 0.0
    """GPU memory that must be free."""
    cards: int = 1
    small: bool = True
    """Part of a trial with --small; others would repeat what an earlier part runs there."""
    tells: bool = False
    """The last line that it prints belongs in the summary, also where it passed."""


def correctness(s: Session) -> list[tuple[str, ...]]:
    files = ["tests/engine/test_gpu.py", "tests/engine/test_graphed_step.py", "tests/data/test_augment.py"]
    files += ["tests/data/test_resample.py", "tests/tasks/test_goldens_on_device.py"]
    if s.small:
        return [(*PYTEST, "tests/tasks/test_goldens_on_device.py", "-k", "tiny or motion or photometric")]
    return [(*PYTEST, *files, "tests/networks/test_relative_networks.py")]


def resume(s: Session) -> list[tuple[str, ...]]:
    return [s.module("benchmarks.gpu.resume", "--device", s.device, "--out", s.out / "resume")]


def step(
    s: Session, models: tuple[str, ...], sizes: tuple[str, ...], batches: tuple[int, ...], name: str, *more: str
) -> list[tuple[str, ...]]:
    """One run of benchmarks.train_step; more: flags for a card."""
    flags: list[object] = ["--device", s.device, "--model", *models]
    if s.small:
        flags += ["--size", "96x64", "--batch", 1, "--precision", "fp32", "--repeats", 1]
    else:
        flags += ["--size", *sizes, "--batch", *batches, "--repeats", 3]
    flags += more if s.device == "cuda" else ()
    return [
        s.module("benchmarks.train_step", *flags, "--json", s.out / f"{name}.json", "--plot", s.out / f"{name}.png")
    ]


MODELS = ("lite-mono", "lite-mono-small", "lite-mono-tiny", "lite-mono-8m")


def first_step(s: Session) -> list[tuple[str, ...]]:
    model = ("lite-mono-tiny",) if s.small else MODELS[:1]
    return step(s, model, ("640x192",), (12,), "step", "--cuda_graph")


def step_compiled(s: Session) -> list[tuple[str, ...]]:
    """Compiling takes minutes, so it has a part of its own."""
    return step(s, MODELS[:1], ("640x192",), (12,), "step-compiled", "--cuda_graph", "--compile", "--default_precision")


def step_batches(s: Session) -> list[tuple[str, ...]]:
    return step(s, MODELS[:1], ("640x192",), (1, 48), "step-batches", "--cuda_graph")


def step_models(s: Session) -> list[tuple[str, ...]]:
    return step(s, MODELS[1:], ("640x192",), (12,), "step-models", "--cuda_graph")


def step_large(s: Session) -> list[tuple[str, ...]]:
    return step(s, MODELS[:1], ("1024x320",), (12,), "step-large", "--cuda_graph")


def data(s: Session) -> list[tuple[str, ...]]:
    return [s.module("benchmarks.gpu.data_wait", "--device", s.device, "--out", s.out / "data", *small(s))]


def learning(s: Session) -> list[tuple[str, ...]]:
    flags = ["--seeds", 0, "--num_epochs", 1, "--small"] if s.small else ["--seeds", 0, 1, 2]
    target = ["--output", s.out / "learning", "--json", s.out / "learning.json"]
    return [s.module("benchmarks.learning", "--device", s.device, "--ours", "default", *flags, *target)]


def inference(s: Session) -> list[tuple[str, ...]]:
    flags = ["--model", "lite-mono", "--batch", 1, 16, "--seconds", 2]
    if s.small:
        flags = ["--model", "lite-mono-tiny", "--size", "96x64", "--batch", 1, "--seconds", 0.2]
    return [s.module("benchmarks.inference", "--device", s.device, *flags, "--json", s.out / "inference.json")]


def two_cards(s: Session) -> list[tuple[str, ...]]:
    flags = ["--device", s.device, "--processes", 2, "--threads", 4, "--out", s.out / "ddp", *small(s)]
    return [s.module("benchmarks.gpu.data_wait", *flags)]


def small(s: Session) -> tuple[str, ...]:
    return ("--small",) if s.small else ()


PARTS = (
    Part(
        "correctness", "Are the recorded numbers the card's, and does no step wait for it?", correctness, 8, tells=True
    ),
    Part("resume", "Does an interrupted run resume exactly on the card?", resume, 4, tells=True),
    Part("step", "How fast is a step, against what, and in what memory?", first_step, 7, free_gb=12),
    Part("step-compiled", "And compiled?", step_compiled, 8, free_gb=12, small=False),
    Part("data", "Does the loader keep up with the card, and where does a step's time go?", data, 6, free_gb=6),
    Part("inference", "How fast is prediction?", inference, 6, free_gb=4),
    Part("learning", "Does the fast training learn the same?", learning, 8, free_gb=4),
    Part("step-batches", "Small and large batches", step_batches, 8, free_gb=36, small=False),
    Part("step-models", "The other models", step_models, 8, free_gb=14, small=False),
    Part("step-large", "1024x320", step_large, 8, free_gb=30, small=False),
    Part("ddp", "Two cards with NCCL", two_cards, 4, free_gb=6, cards=2),
)
NAMES = tuple(part.name for part in PARTS)


def environment(device: str) -> dict[str, str]:
    """Of the parts' processes."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", "LITEMONO_TEST_DEVICE": device}
