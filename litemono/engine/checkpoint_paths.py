"""How the checkpoints of a run are called. Without torch: the flags' check and the end of a job cannot wait for it."""

from __future__ import annotations

from pathlib import Path

from litemono.utils.atomic_files import listing


def checkpoint_folder(run: Path) -> Path:
    """Of the run folder `run`."""
    return run / "checkpoints"


def checkpoint_path(folder: Path, step: int) -> Path:
    return folder / f"step_{step:08d}.pt"


def checkpoints(folder: Path) -> list[Path]:
    """Those in a checkpoint folder, oldest first."""
    return listing(folder, "step_*.pt")


def has_checkpoints(run: Path) -> bool:
    """Whether a run has been begun there that can be resumed."""
    return bool(checkpoints(checkpoint_folder(run)))


def newest_step(run: Path) -> int:
    """Step of the newest checkpoint, 0 if there is none."""
    return max((int(path.stem.split("_")[1]) for path in checkpoints(checkpoint_folder(run))), default=0)
