"""KITTI's lists, places, calibration and scans."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage.transform import resize

from litemono.data import kitti
from litemono.data.kitti import SplitLine
from litemono.data.stores.folder import FolderStore
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def store_at(root: Path, dataset: str = "kitti", png: bool = True) -> FolderStore:
    return FolderStore(dataset, root, ".png" if png else ".jpg", 192, 640)


# ---------------------------------------------------------------- split lists


@pytest.mark.parametrize("path", sorted(kitti.SPLITS.glob("*/*_files*.txt")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_published_list_is_read_line_by_line(path):
    assert len(kitti.read_split(path)) == len(path.read_text().split("\n")) - 1


def test_published_lists_have_the_published_sizes():
    sizes = {
        ("eigen_zhou", "train"): 39810,
        ("eigen_zhou", "val"): 4424,
        ("eigen_full", "train"): 45200,
        ("eigen_full", "val"): 1776,
        ("eigen", "test"): 697,
        ("odom", "train"): 36671,
        ("odom", "val"): 4075,
    }
    assert {key: len(kitti.read_split(kitti.split_file(*key))) for key in sizes} == sizes


def test_blank_lines_and_windows_line_ends_and_a_byte_order_mark_are_fine(tmp_path):
    path = tmp_path / "train_files.txt"
    path.write_bytes(f"\ufeff{DRIVE} 5 l\r\n\r\n   \r\nmy video 0000000012 r\r\nimage 3\n\t early 4 l".encode())
    assert kitti.read_split(path) == [(DRIVE, 5, "l"), ("my video", 12, "r"), ("image", 3, "l"), ("early", 4, "l")]


@pytest.mark.parametrize("line", ["just_a_folder", "drive five l", "drive 5 x", "drive -1 l", "drive 5.0 l"])
def test_a_malformed_line_is_named_with_its_file_and_number(tmp_path, line):
    path = tmp_path / "train_files.txt"
    path.write_text(f"{DRIVE} 5 l\n\n{line}\n")
    with pytest.raises(UserError, match=rf"train_files\.txt:3: '{line}' is not 'folder frame side'"):
        kitti.read_split(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00\x81"])
def test_an_empty_or_binary_list_is_refused_by_name(tmp_path, content):
    path = tmp_path / "train_files.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="train_files.txt"):
        kitti.read_split(path)


def test_a_split_is_a_name_or_a_folder(tmp_path, monkeypatch):
    (tmp_path / "val_files.txt").write_text("drive 1 l\n")
    assert kitti.split_file(str(tmp_path), "val") == tmp_path / "val_files.txt"
    monkeypatch.chdir(tmp_path)
    assert kitti.split_file(".", "val").parent.name == tmp_path.name, "files are called after their split"
    assert kitti.split_file("eigen", "test") == kitti.SPLITS / "eigen" / "test_files.txt"


@pytest.mark.parametrize("split, which", [("eigen_zoo", "train"), ("eigen", "train"), ("", "train")])
def test_an_unknown_split_lists_the_ones_that_have_the_file(split, which):
    with pytest.raises(UserError, match="splits with train_files.txt: benchmark, eigen_full, eigen_zhou, odom"):
        kitti.split_file(split, which)


# ---------------------------------------------------------------- places


def test_frames_lie_where_the_published_code_looks(parity):
    paths = json.loads((parity / "data_loading.json").read_text())["paths"]
    for case, expected in paths.items():
        kind, line = case.split(": ")
        folder, frame, side = line.split()
        dataset = {"KITTIRAWDataset": "kitti", "KITTIOdomDataset": "kitti_odom"}[kind]
        assert str(kitti.frame_path(Path("ROOT"), dataset, folder, int(frame), side, ".jpg")) == expected


def test_a_raw_split_with_the_odometry_dataset_is_explained():
    with pytest.raises(UserError, match="--dataset kitti_odom goes with --split odom"):
        kitti.frame_path(Path("ROOT"), "kitti_odom", DRIVE, 5, "l", ".jpg")


def test_archives_are_named_as_in_the_download_list():
    folders = {DRIVE, "my/own_drive"}
    assert kitti.drive_archives("kitti", folders) == ["2011_09_26_drive_0001_sync.zip"]
    assert kitti.drive_archives("kitti_odom", {"0", "9"}) == ["data_odometry_color.zip"]
    assert kitti.drive_archives("frames", {"."}) == []


# ---------------------------------------------------------------- intrinsics


def test_published_intrinsics_are_one_k_for_all(parity):
    line = SplitLine(DRIVE, 5, "r")
    assert kitti.normalised_intrinsics("published", store_at(parity / "mini_kitti"), line) == (0.58, 1.92, 0.5, 0.5)


@pytest.mark.parametrize("side", ["l", "r"])
def test_calibrated_intrinsics_of_a_drive_are_divided_by_its_own_image_size(parity, side):
    fx, fy, cx, cy = kitti.normalised_intrinsics("calib", store_at(parity / "mini_kitti"), SplitLine(DRIVE, 5, side))
    assert (fx * 1242, fy * 375, cx * 1242, cy * 375) == pytest.approx((721.5377, 721.5377, 609.5593, 172.8540))


def write_odometry(root: Path, calibration: str) -> FolderStore:
    from PIL import Image

    images = root / "sequences" / "09" / "image_2"
    images.mkdir(parents=True)
    Image.new("RGB", (1226, 370)).save(images / "000003.png")
    (root / "sequences" / "09" / "calib.txt").write_text(calibration)
    return store_at(root, "kitti_odom")


def test_calibrated_intrinsics_of_a_sequence_use_the_images_size(tmp_path):
    store = write_odometry(tmp_path, "P2: 707.1 0 601.9 0 0 707.1 183.1 0 0 0 1 0\n")
    fx, fy, cx, cy = kitti.normalised_intrinsics("calib", store, SplitLine("9", 3, "l"))
    assert (fx, fy, cx, cy) == pytest.approx((707.1 / 1226, 707.1 / 370, 601.9 / 1226, 183.1 / 370))


@pytest.mark.parametrize("calibration", ["P1: 1 2 3\n", "P2: 1 2 3\n", "P2: one two\n", "", "P2: " + "nan " * 12])
def test_a_calibration_without_its_matrix_names_file_and_key(tmp_path, calibration):
    store = write_odometry(tmp_path, calibration)
    with pytest.raises(UserError, match=r"calib\.txt: has no P2 with 12 numbers; extract"):
        kitti.normalised_intrinsics("calib", store, SplitLine("9", 3, "l"))


def test_a_missing_calibration_names_the_file_and_its_archive(tmp_path):
    with pytest.raises(UserError, match=r"calib_cam_to_cam\.txt: cannot be read.*_calib\.zip"):
        kitti.normalised_intrinsics("calib", store_at(tmp_path), SplitLine(DRIVE, 5, "l"))


def test_intrinsics_in_pixels_are_divided_by_the_original_size(parity):
    store = store_at(parity / "mini_kitti")
    numbers = kitti.normalised_intrinsics("600,610,621,187.5", store, SplitLine(DRIVE, 5, "l"))
    assert numbers == pytest.approx((600 / 1242, 610 / 375, 0.5, 0.5))


@pytest.mark.parametrize("text", ["kitti", "1,2,3", "1,2,3,4,5", "0,1,2,3", "nan,1,2,3", "a,b,c,d", ""])
def test_other_intrinsics_are_refused_with_the_choices(text):
    with pytest.raises(UserError, match="must be published, calib, or fx,fy,cx,cy"):
        kitti.parse_intrinsics(text)


# ---------------------------------------------------------------- velodyne


def mini_scan(parity: Path) -> tuple[Path, Path]:
    root = parity / "mini_kitti"
    return kitti.calibration_dir(root, DRIVE), kitti.scan_path(root, DRIVE, 5)


@pytest.mark.parametrize("vel_depth", [False, True])
@pytest.mark.parametrize("cam", [2, 3])
def test_projected_scan_is_the_published_one(parity, cam, vel_depth):
    golden, name = np.load(parity / "velodyne_depth.npz"), f"cam{cam}_veldepth{int(vel_depth)}"
    expected = np.zeros((375, 1242))
    expected[tuple(golden[f"{name}_yx"])] = golden[f"{name}_val"]
    depth = kitti.velodyne_depth(*mini_scan(parity), cam, vel_depth)
    np.testing.assert_allclose(depth, expected, rtol=1e-9)  # float64, the same operations

    correct = kitti.velodyne_depth(*mini_scan(parity), cam, vel_depth, correct_duplicates=True)
    quirk = tuple(golden[f"{name}_quirk_yx"].astype(int))
    expected[quirk] = golden[f"{name}_quirk_clean_val"]
    np.testing.assert_allclose(correct, expected, rtol=1e-9)


def test_a_real_scan_gives_plausible_depth(kitti_sample):
    drive = "2011_09_26/2011_09_26_drive_9001_sync"
    depth = kitti.velodyne_depth(
        kitti.calibration_dir(kitti_sample, drive), kitti.scan_path(kitti_sample, drive, 20), cam=2
    )
    assert depth.shape == (375, 1242)
    assert 12_000 < (depth > 0).sum() < 20_000
    assert 5 < np.median(depth[depth > 0]) < 15


@pytest.mark.parametrize("height, width", [(375, 1242), (376, 1241), (374, 1238), (370, 1224), (370, 1226)])
def test_nearest_resize_is_scikit_images(height, width):
    depth = np.random.default_rng(0).random((height, width))
    expected = resize(depth, (375, 1242), order=0, preserve_range=True, mode="constant")
    np.testing.assert_array_equal(kitti.resize_nearest(depth, 375, 1242), expected)


@pytest.mark.parametrize("case, side", [("plain", "l"), ("stereo_l", "l"), ("stereo_r", "r")])
def test_training_depth_is_what_the_published_data_set_returns(parity, case, side):
    golden = np.load(parity / "data_loading.npz")
    expected = np.zeros((375, 1242), np.float32)
    expected[tuple(golden[f"{case}_depth_gt_yx"])] = golden[f"{case}_depth_gt_val"]
    np.testing.assert_array_equal(kitti.training_depth(parity / "mini_kitti", SplitLine(DRIVE, 5, side)), expected)


def test_training_depth_without_a_scan_is_zero(parity):
    assert not kitti.training_depth(parity / "mini_kitti", SplitLine(DRIVE, 4, "l")).any()


def test_a_truncated_scan_is_named(parity, tmp_path):
    calibration, scan = mini_scan(parity)
    short = tmp_path / "0000000005.bin"
    short.write_bytes(scan.read_bytes()[:-3])
    with pytest.raises(UserError, match=r"0000000005\.bin: 48381 bytes .*extract its archive again"):
        kitti.velodyne_depth(calibration, short)
    with pytest.raises(UserError, match=r"absent\.bin: cannot read"):
        kitti.load_scan(tmp_path / "absent.bin")


def test_a_scanner_calibration_without_its_rotation_names_the_key(parity, tmp_path):
    calibration, scan = mini_scan(parity)
    shutil.copy(calibration / "calib_cam_to_cam.txt", tmp_path)
    (tmp_path / "calib_velo_to_cam.txt").write_text("T: 0 0 0\n")
    with pytest.raises(UserError, match=r"calib_velo_to_cam\.txt: has no R with 9 numbers"):
        kitti.velodyne_depth(tmp_path, scan)
