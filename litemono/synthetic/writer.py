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
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.kitti.paths import scan_name
from litemono.data.settings import default_workers
from litemono.data.splits import SplitLine
from litemono.synthetic.render import Camera, camera_windows, cast, published_camera, shade, sweep_windows
from litemono.synthetic.street import Street
from litemono.synthetic.textures import ID
from litemono.synthetic.world_folder import make_once, render_all
from litemono.utils import cli
from litemono.utils.errors import UserError

VERSION = 1  # of the rendering: raise it when the same settings give other pictures
DAY = "2000_01_01"
SPLIT = "street"
MASKS = "masks"  # folder that mirrors the images of the left cameras
TEST_STEP = 2  # every second frame of the test drive is a test image
BASELINE = 0.54
SAMPLES = 2  # rays per pixel side
CAMERA_OFFSET = {"l": 0.06, "r": 0.06 - BASELINE}  # x of camera 0's origin in each camera
BEAMS = np.radians(np.linspace(2.0, -24.9, 64))
SWEEP = 900  # azimuth steps of a full turn
SCAN_RANGE, SCAN_NOISE, SCAN_LOSS = 90.0, 0.02, 0.08  # metres, metres, share of returns
DEPTH_UNITS, DEPTH_LIMIT = 256, 255.0  # of KITTI's depth annotations


@dataclass(frozen=True)
class Settings:
    """What a world is a function of."""

    height: int = 128
    """Height of the images."""
    width: int = 416
    """Width of the images."""
    drives: int = 8
    """Streets, at least 3: the last is for testing, the one before for validation, the others for training."""
    frames_per_drive: int = 60
    """Frames of each drive, about 0.55 m apart."""
    seed: int = 0
    """Another seed, another world."""
    left_only: bool = False
    """The left camera alone instead of a stereo pair."""
    ext: Literal["png", "jpg"] = "png"
    """Format of the images."""

    def check(self) -> None:
        if self.drives < 3:
            raise UserError(f"--drives {self.drives}: at least 3, because testing and validation take one each")
        if self.frames_per_drive < 3:
            raise UserError(f"--frames_per_drive {self.frames_per_drive}: at least 3, a frame and its two neighbours")
        if min(self.height, self.width) < 16:
            raise UserError(f"--height {self.height} --width {self.width}: at least 16 pixels each")
        if self.ext not in ("png", "jpg"):
            raise UserError(f"--ext {self.ext}: png or jpg")


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


# ---------------------------------------------------------------- calibration

# Velodyne (x forward, y left, z up) to camera 0, and its rectification: small turns, so that none is an identity by luck.
T_CAM_VELO = np.eye(4)
T_CAM_VELO[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
T_CAM_VELO[:3, 3] = -0.004, -0.076, -0.272


def _small_turn(x: float, y: float, z: float) -> np.ndarray:
    """Rotation (3, 3) by the vector (x, y, z), radians. Rodrigues."""
    angle = np.linalg.norm([x, y, z])
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / angle
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


R_RECT = _small_turn(0.004, -0.008, 0.006)
T_CAM_VELO[:3, :3] = _small_turn(-0.006, 0.003, 0.002) @ T_CAM_VELO[:3, :3]


def scanner_in_camera() -> np.ndarray:
    """T_cam_velo (4, 4) from the velodyne frame to camera 2."""
    pose = np.eye(4)
    pose[:3] = R_RECT @ T_CAM_VELO[:3]
    pose[0, 3] += CAMERA_OFFSET["l"]
    return pose


def _write_calibration(folder: Path, camera: Camera) -> None:
    """KITTI's three files. Their pixels count from 1, as MATLAB's do: every reader of scans subtracts 1."""
    K = np.array([[camera.fx, 0, camera.cx + 1], [0, camera.fy, camera.cy + 1], [0, 0, 1]])
    lines = ["calib_time: 01-Jan-2000 00:00:00", "corner_dist: 9.950000e-02"]
    shifts = {"00": 0.0, "01": -BASELINE, "02": CAMERA_OFFSET["l"], "03": CAMERA_OFFSET["r"]}
    for name, shift in shifts.items():
        size = np.array([camera.width, camera.height])
        projection = K @ np.column_stack([np.eye(3), [shift, 0, 0]])
        entries = {"S": size, "K": K, "D": np.zeros(5), "R": np.eye(3), "T": np.array([shift, 0, 0]), "S_rect": size,
                   "R_rect": R_RECT if name == "00" else np.eye(3), "P_rect": projection}  # fmt: skip
        lines += [f"{key}_{name}: {_numbers(value)}" for key, value in entries.items()]
    (folder / "calib_cam_to_cam.txt").write_text("\n".join(lines) + "\n")
    nothing = "delta_f: 0.000000e+00 0.000000e+00\ndelta_c: 0.000000e+00 0.000000e+00\n"
    for name, pose, tail in (("velo_to_cam", T_CAM_VELO, nothing), ("imu_to_velo", np.eye(4), "")):
        text = f"calib_time: 01-Jan-2000 00:00:00\nR: {_numbers(pose[:3, :3])}\nT: {_numbers(pose[:3, 3])}\n{tail}"
        (folder / f"calib_{name}.txt").write_text(text)


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.9e}" for value in np.ravel(values))


# ---------------------------------------------------------------- one frame


@lru_cache(maxsize=4)
def street(settings: Settings, number: int) -> Street:
    """The street of drive `number`, counted from 0."""
    return Street((settings.seed, number), settings.frames_per_drive)


def camera_pose(settings: Settings, number: int, frame: int, side: str = "l") -> np.ndarray:
    """T_world_cam (4, 4)."""
    pose = street(settings, number).camera(frame)
    pose[:3, 3] += pose[:3, 0] * (CAMERA_OFFSET["l"] - CAMERA_OFFSET[side])
    return pose


@lru_cache(maxsize=2)
def _camera_rays(camera: Camera, samples: int) -> np.ndarray:
    return camera.rays(samples)


def _look(settings: Settings, number: int, frame: int, side: str, samples: int):
    """World rays (R, C, 3) of a frame, their hits, and what was there to hit."""
    camera, pose = published_camera(settings.height, settings.width), camera_pose(settings, number, frame, side)
    objects = street(settings, number).objects(frame)
    rays = _camera_rays(camera, samples) @ pose[:3, :3].T.astype(np.float32)
    return pose[:3, 3], rays, cast(pose[:3, 3], rays, objects, camera_windows(objects, pose, camera, samples)), objects


def image(settings: Settings, number: int, frame: int, side: str = "l") -> np.ndarray:
    """The picture of a frame, uint8 (H, W, 3)."""
    origin, rays, hits, objects = _look(settings, number, frame, side, SAMPLES)
    camera = published_camera(settings.height, settings.width)
    pixel = 2 / ((camera.fx + camera.fy) * SAMPLES)
    colour = shade(street(settings, number), objects, origin, rays, hits, pixel)
    shape = (settings.height, SAMPLES, settings.width, SAMPLES, 3)
    return np.round(colour.reshape(shape).mean(axis=(1, 3)) * 255).astype(np.uint8)


def exact_depth(settings: Settings, number: int, frame: int, side: str = "l") -> np.ndarray:
    """Depth (camera z) at the pixel centres, float32 (H, W) metres, inf in the sky."""
    return _depth_and_cars(settings, number, frame, side)[0]


def _depth_and_cars(settings: Settings, number: int, frame: int, side: str = "l") -> tuple[np.ndarray, np.ndarray]:
    """Exact depth, and bool (H, W) where a car is seen."""
    _, _, hits, objects = _look(settings, number, frame, side, 1)
    is_car = np.isin(objects.texture[:, 0], [ID[name] for name in ("car_side", "car_glass")])
    return hits.distance, (hits.what >= 0) & is_car[np.maximum(hits.what, 0)]


@lru_cache(maxsize=1)
def _beam_rays() -> np.ndarray:
    """(64, SWEEP, 3) unit vectors in the scanner's frame, from azimuth +pi clockwise."""
    azimuth = np.pi - 2 * np.pi * (np.arange(SWEEP) + 0.5) / SWEEP
    level = np.cos(BEAMS)[:, None]
    x, y = level * np.cos(azimuth), level * np.sin(azimuth)
    return np.stack([x, y, np.broadcast_to(np.sin(BEAMS)[:, None], x.shape)], axis=-1)


def scan(settings: Settings, number: int, frame: int) -> np.ndarray:
    """The 64-beam scan of a frame, float32 (N, 4): x, y, z in the scanner's frame, reflectance."""
    pose = camera_pose(settings, number, frame) @ scanner_in_camera()
    objects = street(settings, number).objects(frame)
    rays = _beam_rays() @ pose[:3, :3].T
    hits = cast(pose[:3, 3], rays.astype(np.float32), objects, sweep_windows(objects, pose, SWEEP))
    rng = np.random.default_rng((settings.seed, number, frame))
    measured = hits.distance + SCAN_NOISE * rng.standard_normal(hits.distance.shape)
    seen = (measured < SCAN_RANGE) & (rng.random(measured.shape) > SCAN_LOSS + measured / 400)
    points = (_beam_rays() * np.where(seen, measured, 0)[..., None])[seen]
    reflectance = np.where(hits.what < 0, 0.25, 0.2 + 0.6 * (hits.what * 0.618 % 1))[seen]
    return np.column_stack([points, reflectance]).astype("<f4")


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
    _write_calibration(folder / DAY, published_camera(settings.height, settings.width))
    for which, lines in split_lines(settings).items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / SPLIT / f"{which}_files.txt").write_text(text)
    frames = [(n, frame) for n in range(settings.drives) for frame in range(settings.frames_per_drive)]
    render_all(partial(_write_frame, folder, settings), frames, num_workers, "rendering")
    for number in range(settings.drives):
        poses = [camera_pose(settings, number, frame)[:3] for frame in range(settings.frames_per_drive)]
        (folder / drive_name(number) / "poses.txt").write_text("".join(f"{_numbers(pose)}\n" for pose in poses))


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
    depth, cars = _depth_and_cars(settings, number, frame)
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
