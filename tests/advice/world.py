"""Small data and packs, for advice that only data leads to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_kitti
from composites import write_small
from depth_data import save_png, write_pairs

from litemono import prepare

FRAMES = range(10)
SIZE = f"{tiny_kitti.WIDTH}x{tiny_kitti.HEIGHT}"


def write(root: Path, capsys: pytest.CaptureFixture) -> Path:
    """All in root/w. Relative paths in flags start at root."""
    world = root / "w"
    world.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_data(world)
        write_packs(world, capsys)
    return world


def write_data(world: Path) -> None:
    write_kitti(world)
    write_maps(world)
    write_pictures(world)
    write_small(world / "composites")
    (world / "empty").mkdir()


def write_packs(world: Path, capsys: pytest.CaptureFixture) -> None:
    """Packs of the drive and of the pictures."""
    for command in (
        f"pack --from w/kitti --split w/kitti --test_split none --size {SIZE} --output w/pack --num_workers 1",
        "pack --dataset pairs --from w/pairs --size 64x48 --output w/pairs_pack --num_workers 1",
    ):
        run(prepare.main, capsys, command)


def run(main: Callable[[], None], capsys: pytest.CaptureFixture, line: str) -> None:
    done = tiny_kitti.invoke(main, capsys, *line.split())
    assert done.code == 0, done.err


def write_kitti(world: Path) -> None:
    """A drive with scans and calibration; lists of frames that are there, and in w/lacking one that is not."""
    tiny_kitti.write_world(world / "kitti", list(FRAMES))
    for folder, train_frames in (("kitti", range(1, 9)), ("lacking", [1, 2, 3, 4, 20])):
        (world / folder).mkdir(exist_ok=True)
        for which, frames in (("train", train_frames), ("val", range(4, 7))):
            lines = [f"{tiny_kitti.DRIVE} {frame} l\n" for frame in frames]
            (world / folder / f"{which}_files.txt").write_text("".join(lines))
    shutil.copytree(world / "kitti/split", world / "test_split")
    (world / "uncalibrated" / tiny_kitti.DAY).mkdir(parents=True)
    drive = Path(tiny_kitti.DRIVE)
    (world / "uncalibrated" / drive).symlink_to(world / "kitti" / drive)
    for folder, other in (
        ("two_drives", "2011_09_26/2011_09_26_drive_0005_sync"),
        ("unknown_drive", "2099_01_01/2099_01_01_drive_0001_sync"),
    ):
        (world / folder).mkdir()
        (world / folder / "train_files.txt").write_text(f"{other} 1 l\n{drive if folder[0] == 't' else other} 2 l\n")


def write_pictures(world: Path) -> None:
    """Pictures with depth, and a list with one that is not there."""
    write_pairs(world / "pairs", height=48, width=64)
    (world / "pairs_list").mkdir()
    (world / "pairs_list/train_files.txt").write_text(". 1 l\n. 99 l\n")


def write_maps(world: Path) -> None:
    """Ground truth, and predictions of its images: depths, disparities, one of both missing, truth without a pixel."""
    for number in range(3):
        truth = np.random.default_rng(number).uniform(2, 60, (48, 96)).astype(np.float32)
        maps = {"truth": truth, "depths": 1.2 * truth, "disparities": 1 / truth, "blank": 0 * truth}
        for folder, values in maps.items():
            (world / folder).mkdir(exist_ok=True)
            np.save(world / folder / f"{number}.npy", values)
        save_png(world / f"truth_png/{number}.png", 256 * truth)
    (world / "few").mkdir()
    shutil.copy(world / "depths/0.npy", world / "few/0.npy")
