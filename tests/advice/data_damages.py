"""What is wrong with the user's images, depth, scans and lists while a command is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from advice.damages import Damage, cut, written
from PIL import Image
from tiny_kitti import DAY, DRIVE


def first(own: Path, pattern: str) -> Path:
    return min(own.glob(pattern))


def copied(pattern: str, name: str) -> Damage:
    """The first file of the pattern a second time, under another name in its folder."""
    return lambda own: shutil.copy(found := first(own, pattern), found.with_name(name))


def renamed(pattern: str, name: str) -> Damage:
    return lambda own: (found := first(own, pattern)).rename(found.with_name(name))


def removed(pattern: str) -> Damage:
    return lambda own: first(own, pattern).unlink()


def pixels(pattern: str, values: np.ndarray) -> Damage:
    """The files as pictures of these numbers."""

    def change(own: Path) -> None:
        for path in list(own.glob(pattern)):
            path.unlink()
            Image.fromarray(values).save(path)

    return change


def array(pattern: str, values: np.ndarray) -> Damage:
    return lambda own: [np.save(path, values) for path in list(own.glob(pattern))]


def cut_scans(own: Path) -> None:
    for path in (own / "kitti" / DRIVE / "velodyne_points/data").iterdir():
        path.write_bytes(path.read_bytes()[:17])


def same_numbers(own: Path) -> None:
    for path in list((own / "composites").glob("*/fg001_bg001_00.png")):
        shutil.copy(path, path.with_name("fg001_bg001_0.png"))


def calibration(name: str, *, value: str | None = None) -> Damage:
    """A matrix of the cameras that is absent or has another value."""

    def change(own: Path) -> None:
        path = own / "kitti" / DAY / "calib_cam_to_cam.txt"
        lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{name}:")]
        path.write_text("\n".join([*lines, *([f"{name}: {value}"] if value else [])]) + "\n")

    return change


def one_background(own: Path) -> None:
    for path in (own / "composites").glob("*/fg*"):
        if "_bg001_" not in path.name:
            path.unlink()


def other_size(own: Path) -> None:
    Image.new("RGB", (32, 32)).save(first(own, "frames/street/*"))


def without_depth(own: Path) -> None:
    for path in list((own / "pairs/depth").iterdir()):
        path.rename(path.with_name(f"of_another_{path.name}"))


def cut_zip(own: Path) -> None:
    path = next((own / "pack").rglob("velodyne_points.zip"))
    os.truncate(path, path.stat().st_size // 2)


GREY = np.full((32, 48), 100, np.uint8)
GREY[:4] = 255
FRAME = "frames/street/000001.png"
PICTURE = "composites/fgbg/fg001_bg001_00.png"
DAMAGES: dict[str, Damage] = {
    "picture in two files": copied(PICTURE, "fg001_bg001_00.jpg"),
    "picture with the same numbers": same_numbers,
    "picture's name": renamed(PICTURE, "picture.png"),
    "background without number": renamed("composites/bg/*", "room.png"),
    "background's number": copied("composites/bg/*", "other_001.png"),
    "one background": one_background,
    "background absent": removed("composites/bg/*"),
    "grey mask": pixels("composites/mask/*", GREY),
    "frame in two files": copied(FRAME, "000001.jpg"),
    "sizes of frames": other_size,
    "dark frame": pixels(FRAME, np.full((32, 64), 1000, np.uint16)),
    "scans cut short": cut_scans,
    "no projection": calibration("P_rect_02"),
    "camera of no pixel": calibration("S_rect_02", value="0 0"),
    "list with a NUL": written("kitti/train_files.txt", "2011\0 1 l\n"),
    "depth of NaN": array("pairs_npy/depth/*.npy", np.full((48, 64), np.nan, np.float32)),
    "depth below 0": array("pairs_npy/depth/*.npy", np.full((48, 64), -1, np.float32)),
    "depth cut short": cut("pairs_npy/depth/pic_0.npy"),
    "depth of three channels": array("pairs_npy/depth/*.npy", np.ones((48, 64, 3), np.float32)),
    "no depth": without_depth,
    "8 bits of depth": pixels(
        f"annotated/{DRIVE}/proj_depth/groundtruth/image_02/*.png", np.full((48, 96), 9, np.uint8)
    ),
    "given depth of NaN": array("inverse/images/*.npy", np.full((48, 64), np.nan, np.float32)),
    "mask of three values": pixels("object_masks/images/*.png", np.arange(3072, dtype=np.uint8).reshape(48, 64) % 3),
    "zip of scans cut short": cut_zip,
}
"""Name -> what makes it, in the folder own/ with copies of what the flags name there."""
