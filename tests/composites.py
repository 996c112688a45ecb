"""Composites small enough for tests: rendered rooms with persons, as files."""

from __future__ import annotations

from pathlib import Path

from litemono.synthetic.composites import CompositeSettings, write_composites

SIZE = (32, 48)  # height, width
SMALL = CompositeSettings(*SIZE, backgrounds=4, figures=2, variants=2, seed=3)


def write_small(folder: Path) -> Path:
    """16 pictures of 4 backgrounds; 12 train, 4 validate."""
    write_composites(folder, SMALL)
    return folder


FEWEST = ("--backgrounds", "2", "--figures", "1", "--variants", "1", "--num_workers", "1")
"""Flags of `litemono synthetic composites` for 2 pictures of 2 backgrounds."""
