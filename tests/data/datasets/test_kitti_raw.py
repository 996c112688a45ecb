"""Raw drives: places, cameras, archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.intrinsics import normalised_intrinsics
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_originals
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def test_frames_lie_where_the_published_code_looks(parity):
    paths = json.loads((parity / "data_loading.json").read_text())["paths"]
    cases = {case: path for case, path in paths.items() if case.startswith("KITTIRAWDataset: ")}
    assert cases
    for case, expected in cases.items():
        folder, frame, side = case.split(": ")[1].split()
        assert str(KITTI_RAW.frame_path(Path("ROOT"), folder, int(frame), side, ".jpg")) == expected


def test_archives_are_named_as_in_the_download_list():
    assert KITTI_RAW.archives({DRIVE, "my/own_drive"}) == ["2011_09_26_drive_0001_sync.zip"]


@pytest.mark.parametrize("folder", ["/2011_09_26/drive", "2011_09_26/../../etc", "2011_09_26//drive", ""])
def test_a_folder_that_leads_out_of_the_data_is_refused_with_its_list(folder):
    with pytest.raises(UserError, match="train_files.txt: .* is not a drive such as"):
        KITTI_RAW.check_folder(folder, Path("train_files.txt"))


@pytest.mark.parametrize("side", ["l", "r"])
def test_calibrated_intrinsics_of_a_drive_are_divided_by_its_own_image_size(parity, side):
    store = open_originals("kitti", parity / "mini_kitti", png=True)
    fx, fy, cx, cy = normalised_intrinsics("calib", store, SplitLine(DRIVE, 5, side))
    assert (fx * 1242, fy * 375, cx * 1242, cy * 375) == pytest.approx((721.5377, 721.5377, 609.5593, 172.8540))


def test_a_missing_calibration_names_the_file_and_its_archive(tmp_path):
    with pytest.raises(UserError, match=r"calib_cam_to_cam\.txt: cannot be read.*_calib\.zip"):
        normalised_intrinsics("calib", open_originals("kitti", tmp_path, png=True), SplitLine(DRIVE, 5, "l"))
