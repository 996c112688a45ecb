"""Python, its packages, the disk and the ImageNet weights."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from litemono.diagnosis.finding import Finding
from litemono.utils.packages import evaluation

PYTHONS = ((3, 10), (3, 12))
RUN_GB = 3.0  # weights of thirty epochs (62 MB each), last and best, three checkpoints (190 MB each)
FILES_OF_A_RUN = 1000
OURS = "litemono"  # our distribution
TOP_LEVEL = ("litemono", "networks", evaluation(), "export_gt", "splits")  # what it installs


def check_python() -> Finding:
    version = sys.version_info[:2]
    good = PYTHONS[0] <= version <= PYTHONS[1]
    text = f"{platform.python_version()} at {sys.executable}"
    return Finding(good, "python", text if good else f"{text}; tested with 3.10 to 3.12")


def check_packages() -> Iterator[Finding]:
    """Other packages that install modules under our names: one overwrites the other."""
    providers = importlib.metadata.packages_distributions()
    for name in TOP_LEVEL:
        others = sorted({*providers.get(name, ())} - {OURS})
        if others:
            yield Finding(
                False,
                "packages",
                f"{' and '.join(others)} also installs a module named {name}: use an environment without it, or "
                f"pip uninstall {' '.join(others)} and install litemono again; `litemono {name.replace('_', '-')}` is ours",
            )


def check_disk(log_dir: Path) -> Iterator[Finding]:
    place = log_dir.absolute()
    try:
        while not place.exists():
            place = place.parent
    except OSError as error:
        yield Finding(False, "disk", f"--log_dir {log_dir}: {error.strerror}; give another")
        return
    if not place.is_dir():
        yield Finding(False, "disk", f"--log_dir {log_dir}: {place} is a file, not a folder; give another")
        return
    free = shutil.disk_usage(place).free / 1e9
    yield Finding(free >= RUN_GB, "disk", f"{free:.1f} GB free at {place}; a run needs about {RUN_GB:.0f} GB")
    inodes = os.statvfs(place) if hasattr(os, "statvfs") else None
    if inodes and inodes.f_files:  # some file systems have no fixed number
        yield Finding(inodes.f_favail >= FILES_OF_A_RUN, "inodes", f"{inodes.f_favail} free at {place}")
    if not os.access(place, os.W_OK):
        yield Finding(False, "disk", f"{place} is not writable; give another --log_dir")


def check_weights(num_layers: int) -> Finding:
    from networks.imagenet import find_pose_imagenet

    file = find_pose_imagenet(num_layers)
    if file is None:
        return Finding(False, "weights", "the pose encoder's ImageNet weights are not here: python -m litemono.prepare weights "
                       "(or litemono train --weights_init scratch)")  # fmt: skip
    return Finding(True, "weights", f"{file}")
