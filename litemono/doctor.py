"""python -m litemono.doctor: is this machine, its GPU, the data and the cluster fit to train?"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from rich.console import Console
from tyro.conf import arg

from litemono.data.datasets import registry
from litemono.data.datasets.base import Dataset
from litemono.data.datasets.registry import DatasetName
from litemono.data.splits import split_file
from litemono.jobs import cluster, slurm
from litemono.utils import cli
from litemono.utils.errors import UserError

SPLIT_KINDS = ("train", "val", "test")
SPLITS_HELP = "; ".join(
    f"{' and '.join(dataset.checked_splits) or 'none needed'} for {name}" for name, dataset in registry.DATASETS.items()
)
RUN_GB = 3.0  # weights of thirty epochs (62 MB each), last and best, three checkpoints (190 MB each)
FILES_OF_A_RUN = 1000
PYTHONS = ((3, 10), (3, 12))
# Compute capability of the GPUs that clusters name in their GRES.
CAPABILITY = {
    "p100": "sm_60", "v100": "sm_70", "v100s": "sm_70", "t4": "sm_75", "rtx6000": "sm_75", "a100": "sm_80", "a30": "sm_80",
    "a40": "sm_86", "a10": "sm_86", "a6000": "sm_86", "l4": "sm_89", "l40": "sm_89", "l40s": "sm_89", "h100": "sm_90",
    "h200": "sm_90", "gh200": "sm_90", "b200": "sm_100",
}  # fmt: skip


@dataclass(frozen=True)
class DoctorConfig:
    """What to look at besides the machine itself."""

    data_path: Path | None = None
    """Also check that the splits' frames are there."""
    dataset: Annotated[DatasetName, arg(help=f"Layout of --data_path. {registry.DATASET_HELP}")] = registry.DEFAULT.name
    split: Annotated[
        tuple[str, ...] | None, arg(help=f"Splits to check, by name or folder. Default: {SPLITS_HELP}.")
    ] = None
    png: bool = False
    """Of a frame that is there as .png (as KITTI ships it) and as .jpg, take the .png; either is read where it is alone."""
    log_dir: Path = Path("runs")
    """Where runs are to be written: free space and inodes are looked at there."""
    num_layers: Literal[18, 34, 50] = 18
    """Pose encoder whose ImageNet weights should be here."""


class Finding(NamedTuple):
    good: bool | None
    """None: nothing to judge, only to know."""
    subject: str
    text: str


def doctor(config: DoctorConfig) -> int:
    """Check Python, torch, GPU, disk, data, weights and Slurm; exit status 1 if anything would stop a training.

    Example: python -m litemono.doctor --data_path kitti_data
    """
    console = Console(highlight=False, soft_wrap=True)
    signs = {True: "[green]ok  [/]", False: "[red]BAD [/]", None: "[dim]-   [/]"}
    bad = 0
    for finding in findings(config):
        bad += finding.good is False
        console.print(signs[finding.good], finding.subject.ljust(8), markup=True, end="")
        console.print(f" {finding.text}", markup=False)
    console.print(f"{bad} problem{'s' * (bad != 1)}" if bad else "everything that was checked is fine")
    return 1 if bad else 0


def findings(config: DoctorConfig) -> Iterator[Finding]:
    yield check_python()
    yield from check_torch()
    yield from check_disk(config.log_dir)
    yield check_weights(config.num_layers)
    if config.data_path is None:
        yield Finding(None, "data", "not checked: give --data_path")
    else:
        dataset = registry.get(config.dataset)
        if dataset.default_split is None and not config.split:
            yield check_unsplit(dataset, config.data_path)
        for split in config.split or dataset.checked_splits:
            yield check_split(config, config.data_path, split)
    yield from check_slurm()


def check_python() -> Finding:
    version = sys.version_info[:2]
    good = PYTHONS[0] <= version <= PYTHONS[1]
    text = f"{platform.python_version()} at {sys.executable}"
    return Finding(good, "python", text if good else f"{text}; tested with 3.10 to 3.12")


# ---------------------------------------------------------------- torch and the GPU


def wheel_architectures() -> list[str]:
    """GPU architectures the installed torch has code for; also on machines without a GPU."""
    import torch

    flags = getattr(torch._C, "_cuda_getArchFlags", lambda: None)()  # get_arch_list() answers only where there is a GPU
    return flags.split() if flags else []


def has_code_for(architecture: str, wheel: Iterable[str]) -> bool:
    """Code for sm_80 runs on sm_86 too: same major number, minor not larger; compute_N (PTX) on all that are newer."""

    def number(name: str) -> tuple[int, int]:
        digits = re.findall(r"\d+", name)[0]
        return int(digits[:-1]), int(digits[-1])

    wanted = number(architecture)
    for name in wheel:
        major, minor = number(name)
        if name.startswith("sm_") and major == wanted[0] and minor <= wanted[1]:
            return True
        if name.startswith("compute_") and (major, minor) <= wanted:
            return True
    return False


def wheel_problem(gpus: Iterable[str], wheel: list[str] | None = None) -> str | None:
    """Why the installed torch cannot use these GPUs ("v100", or "sm_70"), or None.  Unknown names pass."""
    import torch

    wheel = wheel_architectures() if wheel is None else wheel
    if not wheel:
        return (
            f"torch {torch.__version__} is built without CUDA; pip install -c envs/v100.txt -e . (see envs/README.md)"
        )
    for gpu in sorted(set(gpus)):
        architecture = gpu if gpu.startswith("sm_") else CAPABILITY.get(gpu.lower())
        if architecture and not has_code_for(architecture, wheel):
            pin = "envs/v100.txt" if architecture < "sm_75" and len(architecture) == 5 else "envs/current.txt"
            return (
                f"torch {torch.__version__} has no code for {gpu} ({architecture}; it has {' '.join(wheel)}); "
                f"pip install -c {pin} -e ."
            )
    return None


def check_torch() -> Iterator[Finding]:
    try:
        import torch
    except ImportError as error:
        yield Finding(False, "torch", f"cannot be imported ({error}); pip install -c envs/v100.txt -e .")
        return
    wheel = wheel_architectures()
    yield Finding(
        True, "torch", f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}, code for {' '.join(wheel) or 'CPU'}"
    )
    driver = nvidia_driver()
    if driver is None:
        yield Finding(None, "gpu", "none on this machine (a login node has none: run the doctor in a job too)")
        return
    if not torch.cuda.is_available():
        reason = wheel_problem([]) or (
            f"the driver ({driver}) is too old for CUDA {torch.version.cuda}, or CUDA_VISIBLE_DEVICES hides the GPU"
        )
        yield Finding(False, "gpu", f"nvidia-smi sees one, torch does not: {reason}")
        return
    for i in range(torch.cuda.device_count()):
        architecture = "sm_{}{}".format(*torch.cuda.get_device_capability(i))
        problem = wheel_problem([architecture], wheel)
        yield Finding(not problem, "gpu", f"{torch.cuda.get_device_name(i)}, {architecture}, driver {driver}"
                      + (f": {problem}" if problem else ""))  # fmt: skip


def nvidia_driver() -> str | None:
    """Version of the NVIDIA driver; None where there is no GPU."""
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split()[0] if done.returncode == 0 and done.stdout.split() else None


# ---------------------------------------------------------------- disk, weights, data


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
                       "(or train with --weights_init scratch)")  # fmt: skip
    return Finding(True, "weights", f"{file}")


def check_unsplit(dataset: Dataset, root: Path) -> Finding:
    """There are frames of a data set that needs no split list, and their first bytes are those of images."""
    from litemono.data.missing_frames import find_missing
    from litemono.data.stores.folder import open_originals

    try:
        found, ids = dataset.frames_found(root), (0, -1, 1)
        store = open_originals(dataset.name, root, png=False)
        lines = [line for which in ("train", "val") for line in dataset.lines(root, None, which, ids)[0]]
        report = find_missing(store, lines, ids, use_stereo=False)
        problems = [*report.examples, *report.mixed_sizes]
        return Finding(not problems, "data", f"{found}; {problems[0]}" if problems else found or f"{root} is there")
    except (UserError, OSError) as error:
        return Finding(False, "data", str(error))


def check_split(config: DoctorConfig, root: Path, split: str) -> Finding:
    """Every frame of the split's lists (with the neighbours that training needs) is below `root`."""
    from litemono.data.missing_frames import find_missing
    from litemono.data.stores.folder import open_originals

    try:
        store = open_originals(config.dataset, root, config.png)
        counts, examples, archives = [], [], []
        for which in SPLIT_KINDS:
            try:
                split_file(split, which)
            except UserError:
                continue  # not every split has all three lists
            lines, _ = store.dataset.lines(store.root, split, which, (0, -1, 1))
            ids = store.dataset.test_offsets if which == "test" else (0, -1, 1)
            report = find_missing(store, lines, ids, use_stereo=False)
            if which == "val" and store.dataset.depth is not None:
                store.dataset.depth.check(store.root, report.present)
            counts.append(f"{len(report.present)} of {len(lines)} {which}")
            if report.incomplete:
                examples += report.examples
                archives += report.archives
            examples += report.mixed_sizes
    except (UserError, OSError) as error:
        return Finding(False, "data", f"{split}: {error}")
    if not counts:
        return Finding(False, "data", f"{split}: there is no such split in splits/")
    text = f"{split}: {', '.join(counts)} samples have all frames"
    if examples:
        archives = list(dict.fromkeys(archives))
        of = f"; archives: {', '.join(archives[:5])}{', ...' * (len(archives) > 5)}" if archives else ""
        return Finding(False, "data", f"{text}; {examples[0]}{of} (python -m litemono.prepare verify lists all)")
    return Finding(True, "data", text)


# ---------------------------------------------------------------- Slurm


def check_slurm() -> Iterator[Finding]:
    if not slurm.available():
        yield Finding(None, "slurm", "not on this machine; training works without it")
        return
    try:
        offer = cluster.read_cluster()
    except UserError as error:
        yield Finding(False, "slurm", str(error))
        return
    gpus = offer.with_gpus
    yield Finding(bool(gpus), "slurm", f"partitions with GPUs: {'; '.join(map(str, gpus)) or 'none'}")
    kinds = {kind for partition in gpus for node in partition.nodes for kind in node.gpus}
    problem = wheel_problem(kinds) if kinds else None
    yield Finding(not problem, "slurm", problem or "torch has code for the GPUs of all partitions")
    try:
        slurm.call("sacct", "-X", "-n", "-o", "JobID")
        yield Finding(True, "sacct", "answers: litemono.status knows how past jobs ended")
    except UserError as error:
        yield Finding(False, "sacct", f"{error}; jobs run all the same, but status cannot tell how they ended")


def main() -> None:
    cli.run(doctor, DoctorConfig, "python -m litemono.doctor")


if __name__ == "__main__":
    main()
