"""Odometry sequences: places, cameras, archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from litemono.data.datasets.kitti_odometry import KITTI_ODOMETRY
from litemono.data.intrinsics import normalised_intrinsics
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import FolderStore, open_originals
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def test_frames_lie_where_the_published_code_looks(parity):
    paths = json.loads((parity / "data_loading.json").read_text())["paths"]
    cases = {case: path for case, path in paths.items() if case.startswith("KITTIOdomDataset: ")}
    assert cases
    for case, expected in cases.items():
        folder, frame, side = case.split(": ")[1].split()
        assert str(KITTI_ODOMETRY.frame_path(Path("ROOT"), folder, int(frame), side, ".jpg")) == expected


def test_a_raw_split_with_the_odometry_dataset_is_explained():
    with pytest.raises(UserError, match="--dataset kitti_odom goes with --split odom"):
        KITTI_ODOMETRY.frame_path(Path("ROOT"), DRIVE, 5, "l", ".jpg")


def test_one_archive_has_all_sequences():
    assert KITTI_ODOMETRY.archives({"0", "9"}) == ["data_odometry_color.zip"]
    assert KITTI_ODOMETRY.archives(set()) == []


def write_odometry(root: Path, calibration: str) -> FolderStore:
    images = root / "sequences" / "09" / "image_2"
    images.mkdir(parents=True)
    Image.new("RGB", (1226, 370)).save(images / "000003.png")
    (root / "sequences" / "09" / "calib.txt").write_text(calibration)
    return open_originals("kitti_odom", root, png=True)


def test_calibrated_intrinsics_of_a_sequence_use_the_images_size(tmp_path):
    store = write_odometry(tmp_path, "P2: 707.1 0 601.9 0 0 707.1 183.1 0 0 0 1 0\n")
    fx, fy, cx, cy = normalised_intrinsics("calib", store, SplitLine("9", 3, "l"))
    assert (fx, fy, cx, cy) == pytest.approx((707.1 / 1226, 707.1 / 370, 601.9 / 1226, 183.1 / 370))


@pytest.mark.parametrize("calibration", ["P1: 1 2 3\n", "P2: 1 2 3\n", "P2: one two\n", "", "P2: " + "nan " * 12])
def test_a_calibration_without_its_matrix_names_file_and_key(tmp_path, calibration):
    store = write_odometry(tmp_path, calibration)
    with pytest.raises(UserError, match=r"calib\.txt: has no P2 with 12 numbers; extract"):
        normalised_intrinsics("calib", store, SplitLine("9", 3, "l"))
