"""python -m litemono.doctor: is this machine, its GPU, the data and the cluster fit to train?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import arg

from litemono.data.datasets import registry
from litemono.data.datasets.registry import DatasetName
from litemono.data.stores.composites import are_composites
from litemono.diagnosis import cluster, data, gpu, machine, report
from litemono.diagnosis.finding import Finding
from litemono.utils import cli

SPLITS_HELP = "; ".join(
    f"{' and '.join(dataset.checked_splits) or 'none needed'} for {name}" for name, dataset in registry.DATASETS.items()
)


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
    depth_factor: float | None = None
    """Numbers for one metre in depth files, as in litemono finetune. Default: the data set's own."""
    log_dir: Path = Path("runs")
    """Where runs are to be written: free space and inodes are looked at there."""
    num_layers: Literal[18, 34, 50] = 18
    """Pose encoder whose ImageNet weights should be here."""
    report: bool = False
    """Print one block for a bug report instead: versions, driver, Slurm, findings; without folders and names of yours."""


def doctor(config: DoctorConfig) -> int:
    """Check Python, torch, GPU, disk, data, weights and Slurm; exit status 1 if anything would stop a training.

    Example: python -m litemono.doctor --data_path kitti_data
    """
    found = findings(config)
    if config.report:
        print(report.block([*found]))
        return 0
    console = Console(highlight=False, soft_wrap=True)
    signs = {True: "[green]ok  [/]", False: "[red]BAD [/]", None: "[dim]-   [/]"}
    bad = 0
    for finding in found:
        bad += finding.good is False
        console.print(signs[finding.good], finding.subject.ljust(8), markup=True, end="")
        console.print(f" {finding.text}", markup=False)
    console.print(f"{bad} problem{'s' * (bad != 1)}" if bad else "everything that was checked is fine")
    return 1 if bad else 0


def findings(config: DoctorConfig) -> Iterator[Finding]:
    """One after the other, as they are found."""
    yield machine.check_python()
    yield from machine.check_packages()
    yield from gpu.check_torch()
    yield from machine.check_disk(config.log_dir)
    yield machine.check_weights(config.num_layers)
    if config.data_path is None:
        yield Finding(None, "data", "not checked: give --data_path")
    elif are_composites(config.data_path):
        yield data.check_composites(config.data_path)
    else:
        dataset = registry.get(config.dataset)
        if dataset.default_split is None and not config.split:
            yield data.check_unsplit(dataset, config.data_path, config.depth_factor)
        for split in config.split or dataset.checked_splits:
            yield data.check_split(config.dataset, config.data_path, split, config.png)
    yield from cluster.check_slurm()


def main() -> None:
    cli.run(doctor, DoctorConfig, "python -m litemono.doctor")


if __name__ == "__main__":
    main()
