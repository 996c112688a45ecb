"""How far a run has come, so that the same command continues after an interruption."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from litemono.predicting.settings import PredictConfig
from litemono.utils.atomic_files import read_json, write_atomically
from litemono.utils.errors import require

RECORD = "progress.json"
EVERY = 250  # frames between two records: what an interruption costs at most
NOT_RESULTS = ("backend", "device", "batch_size", "num_workers", "max_frames")
"""Settings that do not change what is written: backends agree within their tolerance."""


@dataclass
class Progress:
    """What is done; all of it is on disk."""

    settings: str
    """Digest of what the results depend on."""
    done: int = 0
    """Frames of the input, broken ones included."""
    written: int = 0
    broken: int = 0
    parts: int = 0
    """Of a film."""
    size: tuple[int, int] | None = None
    """Of a film's pictures, width and height."""
    look: list[Any] | None = None
    """State of --smooth."""


def digest(config: PredictConfig, inputs: list[Path]) -> str:
    """Of the settings and of what input and weights contain, by size and time."""
    settings = {name: str(value) for name, value in asdict(config).items() if name not in NOT_RESULTS}
    weights = sorted(config.load_weights.iterdir()) if config.load_weights.is_dir() else [config.load_weights]
    stats = [(str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in [*weights, *inputs]]
    return hashlib.sha256(json.dumps([settings, stats], sort_keys=True).encode()).hexdigest()


def begin(folder: Path, settings: str) -> Progress:
    """What is left of an earlier run with the same settings; a new beginning where there is none or it had others.

    Raises UserError for a folder that holds files of others.
    """
    found = read_json(folder / RECORD)
    if found.get("settings") == settings and found.keys() == asdict(Progress("")).keys():
        found["size"] = tuple(found["size"]) if found["size"] else None
        return Progress(**found)
    if folder.is_dir():
        foreign = [
            path.name for path in folder.iterdir() if path.name != RECORD and path.suffix not in (".mp4", ".tmp")
        ]
        require(
            not foreign, f"{folder}: holds {', '.join(sorted(foreign)[:3])}, which predict did not write; take it away"
        )
        shutil.rmtree(folder)
    return Progress(settings)


def save(folder: Path, progress: Progress) -> None:
    write_atomically(folder / RECORD, json.dumps(asdict(progress)).encode())
