"""The rendered world: its pictures, scans, depth and motion must tell one and the same story in KITTI's conventions."""

import json
import shlex

import numpy as np
import pytest
import torch
from PIL import Image

from litemono import geometry
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.kitti.calibration import PUBLISHED_INTRINSICS, read_calibration
from litemono.data.kitti.paths import scan_path
from litemono.data.kitti.velodyne import load_scan, velodyne_depth
from litemono.data.splits import read_split, split_file
from litemono.synthetic import sensors, writer
from litemono.synthetic.render import published_camera
from litemono.synthetic.settings import Settings
from litemono.tasks.monodepth.settings import TrainConfig
from litemono.utils import cli
from litemono.utils.errors import UserError

SETTINGS = Settings(height=96, width=320, drives=4, frames_per_drive=4, seed=5)
SMALL = dict(height=32, width=96, drives=3, frames_per_drive=3)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered") / "world"
    return writer.write_world(folder, height=96, width=320, drives=3, frames_per_drive=4, num_workers=2)


def photometric_error(number: int, target: tuple[int, str], source: tuple[int, str]) -> tuple[float, float]:
    """Mean |difference| per channel of the target with the source as it is, and with the source warped by the truth."""
    frames = [
        torch.from_numpy(sensors.image(SETTINGS, number, *key)).permute(2, 0, 1)[None] / 255 for key in (target, source)
    ]
    poses = [sensors.camera_pose(SETTINGS, number, *key) for key in (target, source)]
    T_src_tgt = torch.from_numpy(np.linalg.inv(poses[1]) @ poses[0]).float()[None, None]
    height, width = SETTINGS.height, SETTINGS.width
    fx, fy, cx, cy = PUBLISHED_INTRINSICS
    K = torch.tensor([[[fx * width, 0, cx * width], [0, fy * height, cy * height], [0, 0, 1]]])
    depth = torch.from_numpy(sensors.exact_depth(SETTINGS, number, *target))
    motion = geometry.reprojection(K, geometry.invert_intrinsics(K), T_src_tgt, height, width)
    grid = motion.grid(1 / depth[None, None])
    warped = geometry.warp(frames[1][:, None], grid)[:, 0]
    visible = (grid.abs() < 1).all(-1)[0, 0]  # the rest has left the picture
    errors = [(frames[0] - other).abs().mean(1)[0][visible].mean() for other in (frames[1], warped)]
    return errors[0].item(), errors[1].item()


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("source", [(2, "l"), (0, "l"), (1, "r")], ids=["next", "previous", "other camera"])
def test_exact_depth_and_motion_turn_one_picture_into_its_neighbour(number, source):
    identity, warped = photometric_error(number, (1, "l"), source)
    # What remains: occlusions, moving cars, resampling of fine texture.
    assert warped < 0.4 * identity


def test_wrong_depth_explains_the_neighbour_worse_than_exact_depth(monkeypatch):
    _, exact = photometric_error(0, (1, "l"), (2, "l"))
    right = sensors.exact_depth
    for factor in (0.8, 1.25):
        monkeypatch.setattr(sensors, "exact_depth", lambda *key, f=factor: f * right(*key))
        _, wrong = photometric_error(0, (1, "l"), (2, "l"))
        assert wrong > 1.3 * exact


@pytest.mark.parametrize("cam, side", [(2, "l"), (3, "r")])
def test_scans_fall_on_the_exact_depth_of_the_pixels_they_hit(world, cam, side):
    settings, number, frame = world.settings, 2, 1
    scan = scan_path(world.folder, writer.drive_name(number), frame)
    measured = velodyne_depth(world.folder / writer.DAY, scan, cam=cam)
    exact = sensors.exact_depth(settings, number, frame, side)
    hit = measured > 0
    assert hit.sum() > 3000
    off = np.abs(measured - exact)[hit] / exact[hit]
    # A point lies anywhere in its pixel, the exact depth at its centre: at the horizon one row is many metres.
    assert np.median(off) < 0.01
    assert np.mean(off < 0.1) > 0.93  # the rest: edges that scanner and camera see from different places


def test_a_pixel_of_misplacement_would_show(world):
    settings, number, frame = world.settings, 2, 1
    scan = scan_path(world.folder, writer.drive_name(number), frame)
    measured = velodyne_depth(world.folder / writer.DAY, scan)
    exact = sensors.exact_depth(settings, number, frame)

    def fit(rows: int, columns: int) -> float:
        moved = np.roll(exact, (rows, columns), axis=(0, 1))[measured > 0]
        return float(np.mean(np.abs(measured[measured > 0] - moved) < 0.02 * moved))

    shifts = {(rows, columns): fit(rows, columns) for rows in (-1, 0, 1) for columns in (-1, 0, 1)}
    assert max(shifts, key=shifts.get) == (0, 0)


def test_the_road_is_where_the_camera_height_says():
    depth = sensors.exact_depth(SETTINGS, 0, 0)
    camera = published_camera(SETTINGS.height, SETTINGS.width)
    rows = np.arange(SETTINGS.height)[:, None]
    flat = 1.65 * camera.fy / np.maximum(rows - camera.cy, 1e-9)
    share = np.mean(np.abs(depth / flat - 1)[60:] < 0.1)
    assert share > 0.4  # the lower part of the picture is mostly road; pitch and roll stay below half a degree


def test_the_layout_is_what_the_readers_expect(world):
    lines = {which: read_split(split_file(str(world.split), which)) for which in ("train", "val", "test")}
    folders = {which: {line.folder for line in some} for which, some in lines.items()}
    assert not folders["train"] & folders["val"] and not folders["test"] & (folders["train"] | folders["val"])
    for line in lines["train"] + lines["val"]:
        for frame in (line.frame - 1, line.frame, line.frame + 1):
            path = KITTI_RAW.frame_path(world.folder, line.folder, frame, line.side, ".png")
            assert Image.open(path).size == (320, 96)
    for line in lines["val"] + lines["test"]:
        assert load_scan(scan_path(world.folder, line.folder, line.frame)).shape[1] == 4
    poses = np.loadtxt(world.drive(0) / "poses.txt")
    assert poses.shape == (4, 12)
    assert np.allclose(poses[2].reshape(3, 4), sensors.camera_pose(world.settings, 0, 2)[:3])


def test_depth_annotations_hold_the_exact_depth(world):
    path = world.drive(0) / "proj_depth" / "groundtruth" / "image_02" / "0000000001.png"
    stored = np.asarray(Image.open(path)) / 256
    exact = sensors.exact_depth(world.settings, 0, 1)
    near = exact < 200
    assert np.abs(stored - exact)[near].max() <= 1 / 256  # 16-bit rounding
    assert not stored[np.isinf(exact)].any()


def test_calibrated_intrinsics_are_the_published_ones_but_for_the_pixel_that_kitti_counts_from(world):
    calibration = read_calibration(world.folder / writer.DAY / "calib_cam_to_cam.txt")
    projection = calibration["P_rect_02"].reshape(3, 4)
    fx, fy, cx, cy = PUBLISHED_INTRINSICS
    assert np.allclose(projection[[0, 1, 0, 1], [0, 1, 2, 2]], [fx * 320, fy * 96, cx * 320 + 1, cy * 96 + 1])


def test_the_same_seed_gives_the_same_files_whatever_the_number_of_processes(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder, workers in zip(folders, (1, 2), strict=True):
        writer.write_world(folder, **SMALL, seed=3, num_workers=workers)
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()) for folder in folders]
    assert files[0] == files[1]
    assert all((folders[0] / path).read_bytes() == (folders[1] / path).read_bytes() for path in files[0])


def test_another_seed_gives_another_street():
    other = Settings(**{**SETTINGS.__dict__, "seed": 6})
    assert (sensors.image(SETTINGS, 0, 0) != sensors.image(other, 0, 0)).mean() > 0.5


def test_every_region_below_the_sky_has_texture():
    picture = sensors.image(SETTINGS, 0, 0).astype(float).mean(-1)
    blocks = picture[48:].reshape(6, 8, 40, 8).std(axis=(1, 3))
    assert np.mean(blocks > 2) > 0.9  # grey levels within 8 x 8 pixels


def test_a_world_with_the_same_settings_is_taken_and_another_one_refused(tmp_path):
    folder = tmp_path / "world"
    writer.write_world(folder, **SMALL, left_only=True)
    before = (folder / "world.json").stat().st_mtime_ns
    writer.write_world(folder, **SMALL, left_only=True)
    assert (folder / "world.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="seed 0, not 1"):
        writer.write_world(folder, **SMALL, left_only=True, seed=1)


def test_a_folder_that_is_no_world_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("two years of work")
    with pytest.raises(UserError, match="no rendered world"):
        writer.write_world(tmp_path, **SMALL)
    assert (tmp_path / "thesis.txt").exists()


def test_a_rendering_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "scan", fail)
    with pytest.raises(KeyboardInterrupt):
        writer.write_world(tmp_path / "world", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_the_command_renders_jpg_without_the_right_camera(tmp_path, command):
    flags = [f"--{key}={value}" for key, value in SMALL.items()]
    done = command("litemono.synthetic.writer", "--output", tmp_path / "world", *flags, "--left_only", "--ext", "jpg")
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "world" / "world.json").read_text())
    assert settings["ext"] == "jpg" and settings["left_only"]
    flags = shlex.split(done.stdout.split("python -m litemono.train ")[1])
    assert cli.parse(TrainConfig, "litemono.train", "", flags).data.png is False
    assert len(list((tmp_path / "world").rglob("image_02/data/*.jpg"))) == 9
    assert not list((tmp_path / "world").rglob("image_03"))


@pytest.mark.parametrize(
    "wrong", [{"drives": 2}, {"frames_per_drive": 2}, {"height": 4}, {"num_workers": 0}, {"seed": -1}]
)
def test_impossible_worlds_are_refused(tmp_path, wrong):
    with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
        writer.write_world(tmp_path / "world", **{**SMALL, **wrong})
    assert not (tmp_path / "world").exists()


def test_the_command_refuses_an_impossible_world_with_status_2(tmp_path, command):
    done = command("litemono.synthetic.writer", "--output", tmp_path / "world", "--drives=2")
    assert done.returncode == 2
    assert "--drives" in done.stderr and "Traceback" not in done.stderr
