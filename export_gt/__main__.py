"""python -m export_gt: the ground truth that evaluate compares with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from export_gt import files
from export_gt.depth_maps import Source, check_has_truth, check_present, source_of
from litemono.data.settings import DataConfig, default_workers
from litemono.data.splits import SplitLine, read_split, split_file
from litemono.utils import cli
from litemono.utils.errors import UserError
from litemono.utils.parallel import process_map
from litemono.utils.progress import track


@dataclass(frozen=True)
class ExportConfig:
    """Which split, from where, to where."""

    data_path: Path = DataConfig.data_path
    """KITTI raw folder (2011_09_26/...) with velodyne scans and calibration; for eigen_benchmark the folder of KITTI's
    depth annotations (train/ and val/, or proj_depth/ inside the raw drives)."""
    split: str = "eigen"
    """Name of a folder in splits/, or path of a folder with test_files.txt. eigen_benchmark is made from depth
    annotations, every other split from velodyne scans."""
    output: Path | None = None
    """File to write. Default: gt_depths_SPLIT.npz in data_path, where evaluate looks for it."""
    published_format: bool = False
    """Write the object array that other code bases load (np.load with pickles allowed, key data).
    Default file then: gt_depths_SPLIT_published.npz."""
    num_workers: int = field(default_factory=default_workers)
    """Processes. Default: one per core, at most 8."""


def export(config: ExportConfig) -> None:
    """Turn velodyne scans (or depth annotations) of a test split into one ground-truth file.

    Example: python -m export_gt --data_path kitti_data --split eigen
    """
    if config.num_workers < 1:
        raise UserError(f"--num_workers {config.num_workers}: must be at least 1")
    if not config.data_path.is_dir():
        raise UserError(f"--data_path {config.data_path}: there is no such folder")
    list_file = split_file(config.split, "test")
    lines, name = read_split(list_file), list_file.parent.name
    check_has_truth(list_file)
    source = source_of(name)
    check_present(source, config.data_path, lines)
    counts: list[int] = []
    depths = _counted(_depths(source, config, lines), counts)
    if config.published_format:
        output = config.output or files.default_path(config.data_path, f"{name}_published")
        files.write_published(output, depths)
    else:
        output = config.output or files.default_path(config.data_path, name)
        files.write(output, lines, depths)
    empty = [str(line) for line, count in zip(lines, counts, strict=True) if not count]
    print(f"{output}: {len(lines)} depth maps, {np.mean(counts):.0f} pixels with depth on average, "
          f"{output.stat().st_size / 1e6:.1f} MB")  # fmt: skip
    if empty:
        print(f"{len(empty)} of them have no depth at all: {', '.join(empty[:10])}{', ...' if len(empty) > 10 else ''}")


def _depths(source: Source, config: ExportConfig, lines: list[SplitLine]) -> Iterator[np.ndarray]:
    """The split's depth maps in order, made by several processes."""
    maps = process_map(partial(source.depth, config.data_path), lines, min(config.num_workers, len(lines)))
    yield from track(maps, len(lines), f"{source.what}s")


def _counted(depths: Iterator[np.ndarray], counts: list[int]) -> Iterator[np.ndarray]:
    for depth in depths:
        counts.append(int(np.count_nonzero(depth)))
        yield depth


def main() -> None:
    cli.run(export, ExportConfig, "export_gt")


if __name__ == "__main__":
    main()
