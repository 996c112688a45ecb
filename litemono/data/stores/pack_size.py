"""How large the packs are that a training reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from litemono.data.stores import packed_index, picture_index


def packed_bytes(settings: Any) -> int:
    """Bytes of frames and maps in the packs that `data_path` in the groups of a training's settings names; 0 without packs."""
    groups = (getattr(settings, field.name) for field in dataclasses.fields(settings))
    paths = {Path(group.data_path) for group in groups if hasattr(group, "data_path")}
    return sum(file.stat().st_size for path in paths for root in pack_roots(path) for file in frame_files(root))


def pack_roots(path: Path) -> list[Path]:
    """The packs of a --data_path; several data sets give their folders with commas."""
    roots = [path] if path.is_dir() else [Path(part) for part in str(path).split(",")]
    return [root for root in roots if packed_index.is_pack(root) or picture_index.is_picture_pack(root)]


def frame_files(pack: Path) -> list[Path]:
    """The files with its frames and maps."""
    return sorted(pack.rglob("*.bin"))
