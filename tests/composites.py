"""Composites small enough for tests: rendered rooms with persons, as files, zips and a pack."""

from __future__ import annotations

import zipfile
from pathlib import Path

from litemono.data.datasets.composites import KINDS
from litemono.synthetic.composites import CompositeSettings, write_composites

SIZE = (32, 48)  # height, width
SMALL = CompositeSettings(*SIZE, backgrounds=4, figures=2, variants=2, seed=3)


def write_small(folder: Path) -> Path:
    """16 pictures of 4 backgrounds; 12 train, 4 validate."""
    write_composites(folder, SMALL)
    return folder


def zipped(source: Path, target: Path) -> Path:
    """A folder with a zip for each kind, as the published data has them."""
    target.mkdir()
    for kind in KINDS:
        with zipfile.ZipFile(target / f"{kind}.zip", "w") as archive:
            for path in sorted((source / kind).iterdir()):
                archive.write(path, f"{kind}/{path.name}")
    return target
