"""`litemono.prepare pack`, run as a user runs it, on a real drive in KITTI's archive layout."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

import numpy as np
from packing_helpers import (
    CALIB_ZIP,
    DRIVE,
    DRIVE_ZIP,
    assert_fails,
    content,
    run_prepare,
    write_split,
    zip_drive,
)
from PIL import Image

from litemono.data.stores.folder import open_store


def test_zips_and_the_folder_extracted_from_them_give_the_same_pack(kitti_sample, zips, pack, tmp_path):
    assert pack(zips, tmp_path / "a").returncode == 0
    assert pack(kitti_sample, tmp_path / "b").returncode == 0
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_a_pack_is_a_handful_of_files_and_nothing_is_extracted(zips, pack, tmp_path):
    before = content(zips)
    process = pack(zips)
    assert process.returncode == 0, process.stderr
    assert "10 of 10 frames at 160x96 and 2 scans" in process.stdout
    files = set(content(tmp_path / "pack"))
    calibration = {f"2011_09_26/calib_{name}.txt" for name in ("cam_to_cam", "velo_to_cam", "imu_to_velo")}
    drive = {f"{DRIVE}/image_02.bin", f"{DRIVE}/velodyne_points.zip"}
    assert files == {"packed.json"} | calibration | drive
    assert content(zips) == before


def test_a_second_run_has_nothing_to_do_and_changes_nothing(zips, pack, tmp_path):
    pack(zips)
    before = content(tmp_path / "pack")
    assert pack(zips).returncode == 0
    assert content(tmp_path / "pack") == before


def test_another_split_is_added_to_a_pack(kitti_sample, zips, pack, tmp_path):
    pack(zips)
    more = write_split(tmp_path / "more", train=(11,), val=(12,))
    process = pack(zips, split=more)
    assert f"{DRIVE}: 4 frames" in process.stdout
    store = open_store("kitti", tmp_path / "pack", False, 96, 160)
    folder = open_store("kitti", kitti_sample, True, 96, 160)
    for frame in [*range(3, 10), *range(10, 14), 15, 16, 17]:
        assert np.array_equal(store.read(DRIVE, frame, "l"), folder.read(DRIVE, frame, "l"))
    with zipfile.ZipFile(tmp_path / "pack" / DRIVE / "velodyne_points.zip") as scans:
        assert len(scans.namelist()) == 3


def test_zips_are_deleted_after_their_drive_is_packed_and_a_rerun_does_not_miss_them(kitti_sample, pack, tmp_path):
    zip_drive(kitti_sample, tmp_path / "zips", range(20))
    assert pack(tmp_path / "zips", tmp_path / "pack", "--delete_zips").returncode == 0
    assert [path.name for path in (tmp_path / "zips").iterdir()] == [CALIB_ZIP]
    process = pack(tmp_path / "zips", tmp_path / "pack", "--delete_zips")
    assert process.returncode == 0, process.stderr


def test_what_was_damaged_since_is_packed_again_before_its_zip_is_deleted(kitti_sample, pack, tmp_path):
    zip_drive(kitti_sample, tmp_path / "zips", range(20))
    assert pack(tmp_path / "zips").returncode == 0
    frames = tmp_path / "pack" / DRIVE / "image_02.bin"
    whole = frames.read_bytes()
    frames.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    process = pack(tmp_path / "zips", tmp_path / "pack", "--delete_zips")
    assert process.returncode == 0 and f"{frames}: damaged since it was packed" in process.stdout
    assert frames.read_bytes() == whole
    assert [path.name for path in (tmp_path / "zips").iterdir()] == [CALIB_ZIP]


def test_a_pack_into_its_own_source_is_refused(kitti_sample, pack, tmp_path):
    zip_drive(kitti_sample, tmp_path / "zips", range(8))
    assert_fails(pack(tmp_path / "zips", tmp_path / "zips"), "is --from itself")


def test_a_zip_that_could_not_be_packed_is_kept(kitti_sample, pack, tmp_path):
    archive = zip_drive(kitti_sample, tmp_path / "zips", range(8))
    assert_fails(pack(tmp_path / "zips", tmp_path / "pack", "--delete_zips"), DRIVE_ZIP, "lack")
    assert archive.is_file()


def test_a_zip_whose_scans_wait_for_their_calibration_is_kept(kitti_sample, pack, tmp_path):
    archive = zip_drive(kitti_sample, tmp_path / "zips", range(20))
    (tmp_path / "zips" / CALIB_ZIP).rename(tmp_path / CALIB_ZIP)
    process = pack(tmp_path / "zips", tmp_path / "pack", "--delete_zips", "--skip_missing")
    assert process.returncode == 0 and "packed without scans" in process.stdout and archive.is_file()
    (tmp_path / CALIB_ZIP).rename(tmp_path / "zips" / CALIB_ZIP)
    assert pack(tmp_path / "zips", tmp_path / "pack", "--delete_zips", "--skip_missing").returncode == 0
    assert (tmp_path / "pack" / DRIVE / "velodyne_points.zip").is_file() and not archive.exists()


def write_images(file: zipfile.ZipFile, names: Iterable[str], size: tuple[int, int]) -> None:
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        file.writestr(name, content.getvalue())


def test_the_other_camera_is_packed_for_stereo(kitti_sample, pack, tmp_path):
    archive = zip_drive(kitti_sample, tmp_path / "zips", range(20))
    with zipfile.ZipFile(archive, "a") as file:
        write_images(file, (f"{DRIVE}/image_03/data/{frame:010d}.png" for frame in (4, 5, 7, 8)), (375, 1242))
    process = pack(tmp_path / "zips", tmp_path / "pack", "--use_stereo")
    assert "14 of 14 frames" in process.stdout, process.stderr
    store = open_store("kitti", tmp_path / "pack", False, 96, 160)
    assert [frame for frame in range(20) if store.has(DRIVE, frame, "r")] == [4, 5, 7, 8]


def test_odometry_sequences_are_packed_from_their_archives(capfd, tmp_path):
    zips, split = tmp_path / "zips", tmp_path / "split"
    zips.mkdir()
    split.mkdir()
    with zipfile.ZipFile(zips / "data_odometry_color.zip", "w") as file:
        for sequence in ("00", "09"):
            names = (f"dataset/sequences/{sequence}/image_2/{frame:06d}.png" for frame in range(5))
            write_images(file, names, (60, 200))
    with zipfile.ZipFile(zips / "data_odometry_calib.zip", "w") as file:
        for sequence in ("00", "09"):
            file.writestr(f"dataset/sequences/{sequence}/calib.txt", "P2: 1 2 3")
    (split / "train_files.txt").write_text("0 1 l\n00 2 l\n")
    (split / "test_files_09.txt").write_text("9 0 l\n9 1 l\n")
    flags = [
        "--from",
        zips,
        "--output",
        tmp_path / "pack",
        "--dataset",
        "kitti_odom",
        "--split",
        split,
        "--size",
        "96x32",
    ]
    process = run_prepare(capfd, "pack", *flags, "--delete_zips")
    assert "7 of 7 frames at 96x32" in process.stdout, process.stderr
    assert [path.name for path in zips.iterdir()] == ["data_odometry_calib.zip"]
    store = open_store("kitti_odom", tmp_path / "pack", False, 32, 96)
    assert [frame for frame in range(5) if store.has("0", frame, "l")] == [0, 1, 2, 3]
    assert [frame for frame in range(5) if store.has("09", frame, "l")] == [0, 1, 2]
    assert (tmp_path / "pack/sequences/09/calib.txt").read_text() == "P2: 1 2 3"
    assert store.native_size("9", 1, "l") == (60, 200)
