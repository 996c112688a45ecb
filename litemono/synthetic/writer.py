"""python -m litemono.synthetic: a small rendered street world in KITTI's raw layout, with exact depth and motion.

Below the output folder, everything where KITTI keeps it:

    world.json                                        the settings it was rendered with; written last
    2000_01_01/calib_*.txt                            calibration
    2000_01_01/2000_01_01_drive_0001_sync/            one street per drive
        image_02/data, image_03/data                  left and right camera, 0.54 m apart
        velodyne_points/data                          simulated 64-beam scans (validation and test drives)
        proj_depth/groundtruth/image_02               exact depth, in the format of KITTI's depth annotations
        poses.txt                                     T_world_cam of camera 2, in the format of KITTI odometry
    masks/2000_01_01/.../image_02/data                255 where a car is seen, 0 elsewhere; mirrors the images
    street/{train,val,test}_files.txt                 split: the last drive tests, the one before validates
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.kitti.paths import scan_name
from litemono.data.settings import default_workers
from litemono.data.splits import SplitLine
from litemono.synthetic.calibration import numbers, write_calibration
from litemono.synthetic.render import published_camera
from litemono.synthetic.sensors import camera_pose, depth_and_cars, image, scan
from litemono.synthetic.settings import Settings
from litemono.synthetic.world_folder import make_once, render_all
from litemono.utils import cli
from litemono.utils.errors import UserError

VERSION = 1  # of the rendering: raise it when the same settings give other pictures
DAY = "2000_01_01"
SPLIT = "street"
MASKS = "masks"  # folder that mirrors the images of the left cameras
TEST_STEP = 2  # every second frame of the test drive is a test image
DEPTH_UNITS, DEPTH_LIMIT = 256, 255.0  # of KITTI's depth annotations


class RenderedWorld(NamedTuple):
    """A rendered world on disk."""

    folder: Path
    split: Path  # folder with train_files.txt, val_files.txt, test_files.txt
    settings: Settings

    def drive(self, number: int) -> Path:
        """Folder of drive `number`, counted from 0."""
        return self.folder / drive_name(number)


def drive_name(number: int) -> str:
    return f"{DAY}/{DAY}_drive_{number + 1:04d}_sync"


# ---------------------------------------------------------------- a whole world


def write_world(
    folder: Path,
    *,
    height: int,
    width: int,
    drives: int,
    frames_per_drive: int,
    seed: int = 0,
    num_workers: int = 1,
    left_only: bool = False,
    ext: Literal["png", "jpg"] = "png",
) -> RenderedWorld:
    """Render a world into `folder`, or take the one that is there when it has the same settings.

    The folder appears when everything is in it (world_folder.py).
    """
    settings = Settings(height, width, drives, frames_per_drive, seed, left_only, ext)
    settings.check()
    if num_workers < 1:
        raise UserError(f"--num_workers {num_workers}: must be at least 1")
    folder = Path(folder)
    make_once(folder, {"version": VERSION, **asdict(settings)}, lambda partial: _write(partial, settings, num_workers))
    return RenderedWorld(folder, folder / SPLIT, settings)


def _write(folder: Path, settings: Settings, num_workers: int) -> None:
    (folder / SPLIT).mkdir(parents=True)
    (folder / DAY).mkdir()
    write_calibration(folder / DAY, published_camera(settings.height, settings.width))
    for which, lines in split_lines(settings).items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / SPLIT / f"{which}_files.txt").write_text(text)
    frames = [(n, frame) for n in range(settings.drives) for frame in range(settings.frames_per_drive)]
    render_all(partial(_write_frame, folder, settings), frames, num_workers, "rendering")
    for number in range(settings.drives):
        poses = [camera_pose(settings, number, frame)[:3] for frame in range(settings.frames_per_drive)]
        (folder / drive_name(number) / "poses.txt").write_text("".join(f"{numbers(pose)}\n" for pose in poses))


def split_lines(settings: Settings) -> dict[str, list[SplitLine]]:
    """The three lists. Training and validation frames have both neighbours; test frames are those of the left camera."""
    inner, last = range(1, settings.frames_per_drive - 1), settings.drives - 1
    sides = "l" if settings.left_only else "lr"
    lines = [[SplitLine(drive_name(n), f, side) for f in inner for side in sides] for n in range(last)]
    test = [SplitLine(drive_name(last), frame, "l") for frame in range(0, settings.frames_per_drive, TEST_STEP)]
    return {"train": [line for drive in lines[:-1] for line in drive], "val": lines[-1], "test": test}


def _write_frame(folder: Path, settings: Settings, which: tuple[int, int]) -> None:
    number, frame = which
    for side in "l" if settings.left_only else "lr":
        path = KITTI_RAW.frame_path(folder, drive_name(number), frame, side, f".{settings.ext}")
        options = {"quality": 95, "subsampling": 0} if settings.ext == "jpg" else {"compress_level": 3}
        _save(Image.fromarray(image(settings, number, frame, side)), path, **options)
    depth, cars = depth_and_cars(settings, number, frame)
    units = np.where(depth < DEPTH_LIMIT, np.round(depth * DEPTH_UNITS), 0).astype(np.uint16)
    annotation = folder / drive_name(number) / "proj_depth" / "groundtruth" / "image_02" / f"{frame:010d}.png"
    _save(Image.fromarray(units), annotation, compress_level=3)
    mask = KITTI_RAW.frame_path(folder / MASKS, drive_name(number), frame, "l", ".png")
    _save(Image.fromarray(255 * cars.astype(np.uint8)), mask, compress_level=3)
    if number >= settings.drives - 2:
        scan_file = folder / drive_name(number) / scan_name(frame)
        scan_file.parent.mkdir(parents=True, exist_ok=True)
        scan(settings, number, frame).tofile(scan_file)


def _save(picture: Image.Image, path: Path, **options: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, None, **options)  # in the format of its suffix


# ---------------------------------------------------------------- command


@dataclass(frozen=True)
class Config:
    """Where the world goes and what it is like."""

    output: Path
    """Folder to make. If it holds a world with the same settings already, nothing is done."""
    world: Settings = field(default_factory=Settings)
    num_workers: int = field(default_factory=default_workers)
    """Processes. Default: one per core, at most 8."""


def render(config: Config) -> None:
    """Render a small street world in KITTI's raw layout: images, calibration, scans, split lists, exact depth and motion.

    python -m litemono.synthetic composites --help renders rooms with persons instead, for litemono segment.

    Example: python -m litemono.synthetic --output world --drives 4 --frames_per_drive 40
    """
    world = write_world(config.output, num_workers=config.num_workers, **asdict(config.world))
    print(f"{world.folder}: {config.world.drives} drives of {config.world.frames_per_drive} frames")
    flags = ["--data_path", str(world.folder), "--split", str(world.split), *["--png"] * (world.settings.ext == "png")]
    print(f"train on it: python -m litemono.train {shlex.join(flags)}")


def main() -> None:
    cli.run(render, Config, "python -m litemono.synthetic")


if __name__ == "__main__":
    main()
