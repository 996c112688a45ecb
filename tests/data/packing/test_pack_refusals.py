"""What `litemono.prepare pack` refuses, by name, and what is left then: damaged archives, missing frames, wrong flags."""

from __future__ import annotations

import os
import resource
import shutil
import zipfile

import pytest
from packing_helpers import (
    CALIB_ZIP,
    DAY,
    DRIVE,
    DRIVE_ZIP,
    assert_fails,
    content,
    small_split,
    zip_drive,
)


def test_a_corrupt_zip_is_named_and_nothing_of_its_drive_remains(kitti_sample, pack, tmp_path):
    archive = zip_drive(kitti_sample, tmp_path / "zips", range(20))
    archive.write_bytes(archive.read_bytes()[:-5000])
    assert_fails(pack(tmp_path / "zips"), str(archive), "not a complete zip", "prepare download")
    assert not list((tmp_path / "pack").rglob("*.bin"))
    zip_drive(kitti_sample, tmp_path / "zips", range(20))
    assert pack(tmp_path / "zips").returncode == 0


def test_a_member_with_flipped_bytes_is_named(kitti_sample, pack, tmp_path):
    archive = zip_drive(kitti_sample, tmp_path / "zips", range(20))
    with zipfile.ZipFile(archive) as file:
        start = file.getinfo(f"{DRIVE}/image_02/data/0000000006.png").header_offset
    damaged = bytearray(archive.read_bytes())
    damaged[start + 100_000] ^= 0xFF
    archive.write_bytes(damaged)
    assert_fails(pack(tmp_path / "zips"), str(archive), "0000000006.png", "cannot be read")
    assert not list((tmp_path / "pack").rglob("*.bin"))


def test_a_truncated_png_in_a_zip_is_named(kitti_sample, pack, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(kitti_sample, tree)
    image = tree / DRIVE / "image_02/data/0000000005.png"
    image.chmod(0o644)
    image.write_bytes(image.read_bytes()[:200_000])
    archive = zip_drive(tree, tmp_path / "zips", range(20))
    process = pack(tmp_path / "zips")
    assert_fails(process, str(archive), "0000000005.png", "not a complete image")
    assert not list((tmp_path / "pack").rglob("*.bin"))


def test_a_scan_of_broken_size_is_named(kitti_sample, pack, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(kitti_sample, tree)
    scan = tree / DRIVE / "velodyne_points/data/0000000008.bin"
    scan.chmod(0o644)
    scan.write_bytes(scan.read_bytes()[:-3])
    assert_fails(pack(tree), str(scan), "16-byte")
    assert not list((tmp_path / "pack").rglob("*.bin"))


def test_a_full_disk_is_said_and_leaves_nothing_damaged(zips, pack, tmp_path):
    """A limit on file size stops the write as a full disk does."""
    limit = 5 * 96 * 160 * 3
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        process = pack(zips)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert_fails(process, "the disk is full", str(tmp_path / "pack"))
    assert not list((tmp_path / "pack").rglob("*.bin"))
    assert pack(zips).returncode == 0


def test_a_frame_that_no_archive_has_is_named_or_left_out(kitti_sample, pack, tmp_path):
    zip_drive(kitti_sample, tmp_path / "zips", range(17))
    assert_fails(pack(tmp_path / "zips"), DRIVE_ZIP, "lack 1 of 10 frames", "17 l", "--skip_missing")
    process = pack(tmp_path / "zips", tmp_path / "pack", "--skip_missing")
    assert "9 of 10 frames" in process.stdout
    zip_drive(kitti_sample, tmp_path / "zips", range(20))
    assert "10 of 10 frames" in pack(tmp_path / "zips").stdout


def test_drives_without_archive_are_named_before_anything_is_packed(zips, pack, tmp_path):
    split = small_split(tmp_path / "more")
    with open(split / "train_files.txt", "a") as file:
        file.write("2011_09_26/2011_09_26_drive_0001_sync 5 l\n")
    assert_fails(pack(zips, split=split), "2011_09_26_drive_0001_sync", "prepare download", "--skip_missing")
    assert not list((tmp_path / "pack").rglob("*.bin"))


def test_where_every_drive_fails_nothing_is_left_and_the_message_says_so(kitti_sample, pack, tmp_path):
    zip_drive(kitti_sample, tmp_path / "zips", range(17))
    process = pack(tmp_path / "zips", tmp_path / "new" / "pack")
    assert_fails(process, "1 of 1 drives were not packed", "Nothing is packed; mend this")
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("stays")
    assert_fails(pack(tmp_path / "zips", tmp_path / "mine"), "Nothing is packed")
    assert [*content(tmp_path / "mine")] == ["notes.txt"] and len([*(tmp_path / "mine").iterdir()]) == 1


def test_a_drive_that_fails_beside_a_whole_one_leaves_that_one(kitti_sample, pack, tmp_path):
    zip_drive(kitti_sample, tmp_path / "zips", range(20))
    other = f"{DAY}/{DAY}_drive_9002_sync"
    zip_drive(kitti_sample, tmp_path / "zips", range(6), drive=other)
    split = small_split(tmp_path / "two")
    with open(split / "train_files.txt", "a") as file:
        file.write(f"{other} 9 l\n")
    assert_fails(
        pack(tmp_path / "zips", split=split),
        "1 of 2 drives were not packed",
        other,
        "What is packed is whole; mend this",
    )
    assert (tmp_path / "pack" / DRIVE / "image_02.bin").is_file() and not (tmp_path / "pack" / other).exists()
    zip_drive(kitti_sample, tmp_path / "zips", range(20), drive=other)
    assert "13 of 13 frames" in pack(tmp_path / "zips", split=split).stdout


@pytest.mark.parametrize("there", [[], [1]], ids=["no drive", "no frame"])
def test_a_source_with_nothing_of_the_split_is_no_pack_without_frames(kitti_sample, pack, tmp_path, there):
    (tmp_path / "zips").mkdir()
    if there:
        zip_drive(kitti_sample, tmp_path / "zips", there)
    assert_fails(pack(tmp_path / "zips", tmp_path / "pack", "--skip_missing"), "of the split; is it the right folder?")
    assert not (tmp_path / "pack").exists()


def test_missing_calibration_is_named(kitti_sample, pack, tmp_path):
    zip_drive(kitti_sample, tmp_path / "zips", range(20))
    (tmp_path / "zips" / CALIB_ZIP).unlink()
    assert_fails(pack(tmp_path / "zips"), CALIB_ZIP)
    process = pack(tmp_path / "zips", tmp_path / "pack", "--skip_missing")
    assert "10 of 10 frames at 160x96 and 0 scans" in process.stdout


def test_a_calibration_that_was_mended_is_taken_by_the_next_run(kitti_sample, pack, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(kitti_sample / DAY, source / DAY)
    calibration = source / DAY / "calib_cam_to_cam.txt"
    whole = calibration.read_bytes()
    calibration.write_bytes(whole[:200])
    zip_drive(source, tmp_path / "zips", range(20))
    assert_fails(pack(tmp_path / "zips"), "calib_cam_to_cam.txt")
    calibration.write_bytes(whole)
    zip_drive(source, tmp_path / "zips", range(20))
    assert pack(tmp_path / "zips").returncode == 0
    assert (tmp_path / "pack" / DAY / "calib_cam_to_cam.txt").read_bytes() == whole


def test_a_pack_of_another_size_is_not_mixed(zips, pack, tmp_path):
    pack(zips)
    assert_fails(pack(zips, tmp_path / "pack", "--size", "640x192"), "160x96", "640x192", "another --output")


def test_a_pack_with_a_truncated_file_is_completed_by_a_rerun(zips, pack, tmp_path):
    pack(zips)
    before = content(tmp_path / "pack")
    os.truncate(tmp_path / "pack" / DRIVE / "image_02.bin", 1000)
    (tmp_path / "pack" / DRIVE / "velodyne_points.zip").write_bytes(b"PK not a zip")
    assert pack(zips).returncode == 0
    assert content(tmp_path / "pack") == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--size", "640"], "--size 640"),
        (["--size", "640x16"], "from 32 to 4096"),
        (["--num_workers", "0"], "--num_workers 0"),
        (["--split", "nowhere"], "--split nowhere"),
        (["--from", "/nowhere"], "--from /nowhere"),
        (["--from", "http://127.0.0.1:9/kitti", "--delete_zips"], "--delete_zips"),
    ],
)
def test_wrong_flags_are_named(zips, pack, tmp_path, flags, words):
    assert_fails(pack(zips, tmp_path / "pack", *flags), words)
