"""A KITTI raw drive small enough to compute by hand, weights for it, and commands run inside the test's own process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from parity_recipes import fill
from PIL import Image

import networks
from networks import weights

DAY = "2011_09_26"
DRIVE = f"{DAY}/{DAY}_drive_0002_sync"  # a name that KITTI's archive list knows
HEIGHT, WIDTH = 48, 96
FOCAL, BASELINE = 50.0, 0.5


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def invoke(main: Callable[[], None], capsys: pytest.CaptureFixture, *args: object) -> Outcome:
    """What a command prints and its exit status, without the seconds that a new process takes."""
    argv, sys.argv = sys.argv, ["command", *map(str, args)]
    try:
        with pytest.raises(SystemExit) as left:
            main()
    finally:
        sys.argv = argv
    return Outcome(int(left.value.code or 0), *capsys.readouterr())


def assert_refused(outcome: Outcome, *words: str) -> None:
    """Exit status 2, one sentence on stderr that has all the words, no traceback."""
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1, outcome.err
    for word in words:
        assert word in outcome.err


def snapshot(root: Path) -> set[str]:
    """Every file below root, hidden ones included."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def point(column: int, row: int, depth: float) -> tuple[float, float, float, float]:
    """A scan point `depth` metres ahead that falls into the middle of this pixel of camera 2."""
    x, y = (column + 1 - WIDTH / 2) * depth / FOCAL, (row + 1 - HEIGHT / 2) * depth / FOCAL
    return depth, -x, -y, 0.0


def write_calibration(root: Path, leave_out: str = "") -> None:
    """Scanner and camera 2 share their centre; camera 3 sees everything FOCAL * BASELINE / depth further left."""
    folder = root / DAY
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calib_velo_to_cam.txt").write_text("calib_time: 1\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n")
    entries = {"R_rect_00": "1 0 0 0 1 0 0 0 1"}
    for camera, shift in ((2, 0.0), (3, -FOCAL * BASELINE)):
        entries[f"S_rect_0{camera}"] = f"{WIDTH} {HEIGHT}"
        entries[f"P_rect_0{camera}"] = f"{FOCAL} 0 {WIDTH / 2} {shift} 0 {FOCAL} {HEIGHT / 2} 0 0 0 1 0"
    lines = [f"{key}: {value}\n" for key, value in entries.items() if key != leave_out]
    (folder / "calib_cam_to_cam.txt").write_text("".join(lines))


def write_scan(root: Path, frame: int, points: list[tuple[float, ...]]) -> Path:
    path = root / DRIVE / "velodyne_points" / "data" / f"{frame:010d}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.array(points, "<f4").reshape(-1, 4).tofile(path)
    return path


def write_image(root: Path, frame: int, ext: str = ".png") -> Path:
    path = root / DRIVE / "image_02" / "data" / f"{frame:010d}{ext}"
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(frame).integers(0, 256, (6, 12, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(path)
    return path


def write_split(folder: Path, frames: list[int], side: str = "l") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test_files.txt").write_text("".join(f"{DRIVE} {frame} {side}\n" for frame in frames))
    return folder


def write_world(root: Path, frames: list[int]) -> Path:
    """Calibration, images and scans (a point in every second pixel of the crop) of a drive, and root/split."""
    write_calibration(root)
    for frame in frames:
        depth = np.random.default_rng(100 + frame).uniform(2, 60, (HEIGHT, WIDTH))
        pixels = [(c, r) for r in range(0, HEIGHT, 2) for c in range(0, WIDTH, 2)]
        write_scan(root, frame, [point(c, r, depth[r, c]) for c, r in pixels])
        write_image(root, frame)
    return write_split(root / "split", frames)


def write_weights(folder: Path, model: str = "lite-mono-tiny", height: int = 32, width: int = 64) -> Path:
    """Weights that depend on nothing but the tensors' names."""
    net = networks.create(model, height=height, width=width)
    fill(net.encoder)
    fill(net.decoder)
    weights.save_folder(folder, net, None)
    return folder
