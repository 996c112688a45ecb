"""Velodyne scans as depth maps, against the published code's."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage.transform import resize

from litemono.data.kitti.paths import calibration_dir, scan_path
from litemono.data.kitti.velodyne import load_scan, resize_nearest, training_depth, velodyne_depth
from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def mini_scan(parity: Path) -> tuple[Path, Path]:
    root = parity / "mini_kitti"
    return calibration_dir(root, DRIVE), scan_path(root, DRIVE, 5)


@pytest.mark.parametrize("vel_depth", [False, True])
@pytest.mark.parametrize("cam", [2, 3])
def test_projected_scan_is_the_published_one(parity, cam, vel_depth):
    golden, name = np.load(parity / "velodyne_depth.npz"), f"cam{cam}_veldepth{int(vel_depth)}"
    expected = np.zeros((375, 1242))
    expected[tuple(golden[f"{name}_yx"])] = golden[f"{name}_val"]
    depth = velodyne_depth(*mini_scan(parity), cam, vel_depth)
    np.testing.assert_allclose(depth, expected, rtol=1e-9)  # float64, the same operations

    correct = velodyne_depth(*mini_scan(parity), cam, vel_depth, correct_duplicates=True)
    quirk = tuple(golden[f"{name}_quirk_yx"].astype(int))
    expected[quirk] = golden[f"{name}_quirk_clean_val"]
    np.testing.assert_allclose(correct, expected, rtol=1e-9)


def test_a_real_scan_gives_plausible_depth(kitti_sample):
    drive = "2011_09_26/2011_09_26_drive_9001_sync"
    depth = velodyne_depth(calibration_dir(kitti_sample, drive), scan_path(kitti_sample, drive, 20), cam=2)
    assert depth.shape == (375, 1242)
    assert 12_000 < (depth > 0).sum() < 20_000
    assert 5 < np.median(depth[depth > 0]) < 15


@pytest.mark.parametrize("height, width", [(375, 1242), (376, 1241), (374, 1238), (370, 1224), (370, 1226)])
def test_nearest_resize_is_scikit_images(height, width):
    depth = np.random.default_rng(0).random((height, width))
    expected = resize(depth, (375, 1242), order=0, preserve_range=True, mode="constant")
    np.testing.assert_array_equal(resize_nearest(depth, 375, 1242), expected)


@pytest.mark.parametrize("case, side", [("plain", "l"), ("stereo_l", "l"), ("stereo_r", "r")])
def test_training_depth_is_what_the_published_data_set_returns(parity, case, side):
    golden = np.load(parity / "data_loading.npz")
    expected = np.zeros((375, 1242), np.float32)
    expected[tuple(golden[f"{case}_depth_gt_yx"])] = golden[f"{case}_depth_gt_val"]
    np.testing.assert_array_equal(training_depth(parity / "mini_kitti", SplitLine(DRIVE, 5, side)), expected)


def test_training_depth_without_a_scan_is_zero(parity):
    assert not training_depth(parity / "mini_kitti", SplitLine(DRIVE, 4, "l")).any()


def test_a_truncated_scan_is_named(parity, tmp_path):
    calibration, scan = mini_scan(parity)
    short = tmp_path / "0000000005.bin"
    short.write_bytes(scan.read_bytes()[:-3])
    with pytest.raises(UserError, match=r"0000000005\.bin: 48381 bytes .*extract its archive again"):
        velodyne_depth(calibration, short)
    with pytest.raises(UserError, match=r"absent\.bin: cannot read"):
        load_scan(tmp_path / "absent.bin")


def test_a_scanner_calibration_without_its_rotation_names_the_key(parity, tmp_path):
    calibration, scan = mini_scan(parity)
    shutil.copy(calibration / "calib_cam_to_cam.txt", tmp_path)
    (tmp_path / "calib_velo_to_cam.txt").write_text("T: 0 0 0\n")
    with pytest.raises(UserError, match=r"calib_velo_to_cam\.txt: has no R with 9 numbers"):
        velodyne_depth(tmp_path, scan)
