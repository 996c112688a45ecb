"""Damage that disks, quotas, purges and people do to a run folder or a pack between two starts.

Each kind leaves enough to resume exactly: a checkpoint is damaged only where one before it is whole.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from litemono.engine import checkpoint
from litemono.engine.checkpoint_paths import checkpoint_folder, checkpoints
from litemono.engine.tensorboard import PATTERN

Damage = Callable[[Path, random.Random], bool]


def damage_run(run: Path, rng: random.Random) -> str:
    """One kind of damage that is possible here; returns its name, "" where none is."""
    return first_possible(run, rng, [*RUN_DAMAGES])


def damage_pack(root: Path, rng: random.Random) -> str:
    kinds: list[Damage] = [stray_pack_files, longer_frames, shorter_frames]
    return first_possible(root, rng, kinds)


def first_possible(place: Path, rng: random.Random, kinds: list[Damage]) -> str:
    rng.shuffle(kinds)
    return next((kind.__name__ for kind in kinds if kind(place, rng)), "")


# ---------------------------------------------------------------- runs


def whole_before(run: Path) -> bool:
    """Whether a checkpoint before the newest is whole, so that the newest may be lost."""
    found = checkpoints(checkpoint_folder(run))
    return len(found) > 1 and checkpoint.checksum_file(found[-2]).is_file()


def damaged_checkpoint(run: Path, rng: random.Random) -> bool:
    """A flipped bit, a short or empty file, or no checksum."""
    if not whole_before(run):
        return False
    newest = checkpoints(checkpoint_folder(run))[-1]
    how = rng.choice(("bit", "short", "empty", "checksum"))
    if how == "checksum":
        checkpoint.checksum_file(newest).unlink(missing_ok=True)
        return True
    data = bytearray(newest.read_bytes())
    if how == "bit" and data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    newest.write_bytes(data if how == "bit" else data[: len(data) // 2] if how == "short" else b"")
    return True


def unfinished_checkpoint(run: Path, rng: random.Random) -> bool:
    """A newer one of which only the checksum, or only half of the file, reached the disk."""
    found = checkpoints(checkpoint_folder(run))
    if not found:
        return False
    newer = checkpoint_folder(run) / "step_00000099.pt"
    checkpoint.checksum_file(newer).write_text(f"{'0' * 64}  {newer.name}\n")
    if rng.random() < 0.5:
        newer.write_bytes(found[-1].read_bytes()[:5000])
    return True


def stray_files(run: Path, rng: random.Random) -> bool:
    """Temporary files and folders of processes that are long gone."""
    for name in (".status.json.99.tmp", ".config.json.99.tmp", "checkpoints/.step_00000001.pt.99.tmp"):
        if (run / name).parent.is_dir():
            (run / name).write_bytes(b"half")
    for name in (".last.partial", ".weights_1.partial", ".last.tmp"):
        if (run / "models").is_dir():
            (run / "models" / name).mkdir(exist_ok=True)
            (run / "models" / name / "encoder.pth").write_bytes(b"half")
    return run.is_dir()


def broken_links(run: Path, rng: random.Random) -> bool:
    """models/last as a link to a place that is gone."""
    last = run / "models/last"
    if not run.is_dir():
        return False
    last.parent.mkdir(exist_ok=True)
    if last.is_symlink():
        last.unlink()
    elif last.exists():
        shutil.rmtree(last)
    last.symlink_to("/nonexistent/weights")
    return True


def torn_curves(run: Path, rng: random.Random) -> bool:
    """Half a record at the end of the newest event files."""
    found = [sorted((run / which).glob(PATTERN)) for which in ("train", "val")]
    for paths in found:
        if paths:
            with open(paths[-1], "ab") as file:
                file.write(rng.randbytes(rng.randrange(1, 40)))
    return any(found)


def nonsense_status(run: Path, rng: random.Random) -> bool:
    if not run.is_dir():
        return False
    nonsense = (b"", b"null", b"[1, 2]", b'{"state": 7, "final": "no"}', b'{"state": "running"', rng.randbytes(100))
    (run / "status.json").write_bytes(rng.choice(nonsense))
    return True


def no_weights(run: Path, rng: random.Random) -> bool:
    """models/last deleted: the next epoch writes it again, or the start of a run that is finished."""
    if not (run / "models/last").is_dir():
        return False
    shutil.rmtree((run / "models/last").resolve())
    return True


RUN_DAMAGES: tuple[Damage, ...] = (
    damaged_checkpoint,
    unfinished_checkpoint,
    stray_files,
    broken_links,
    torn_curves,
    nonsense_status,
    no_weights,
)


# ---------------------------------------------------------------- packs


def stray_pack_files(root: Path, rng: random.Random) -> bool:
    if root.is_dir():
        (root / ".packed.json.99.tmp").write_bytes(b"half")
    return root.is_dir()


def longer_frames(root: Path, rng: random.Random) -> bool:
    """Half a frame behind the last one that counts."""
    found = sorted(root.rglob("image_0*.bin"))
    if found:
        with open(rng.choice(found), "ab") as file:
            file.write(rng.randbytes(5000))
    return bool(found)


def shorter_frames(root: Path, rng: random.Random) -> bool:
    """Frames that the index names are cut off: they are packed again."""
    found = sorted(root.rglob("image_0*.bin"))
    if found:
        path = rng.choice(found)
        path.write_bytes(path.read_bytes()[:5000])
    return bool(found)
