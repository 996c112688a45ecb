"""`litemono.prepare pack`, run as a user runs it, on a real drive in KITTI's archive layout."""

from __future__ import annotations

import fcntl
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import processes
import pytest
from conftest import ROOT
from packing_helpers import (
    CALIB_ZIP,
    DAY,
    DRIVE,
    DRIVE_ZIP,
    assert_fails,
    run_prepare,
    small_split,
    write_split,
    zip_drive,
)
from PIL import Image

from litemono.data.stores import packed_index
from litemono.data.stores.folder import open_store

SIZE = "160x96"


@pytest.fixture(scope="session")
def zips(kitti_sample, tmp_path_factory) -> Path:
    """Frames 0 to 19 of the real drive, zipped as KITTI does; read-only by agreement."""
    folder = tmp_path_factory.mktemp("zips")
    zip_drive(kitti_sample, folder, range(20))
    return folder


@pytest.fixture
def pack(capfd, tmp_path):
    """Run pack with the small split; returns the finished process."""

    def run(source: object, output: object = tmp_path / "pack", *more: object, split: Path | None = None):
        split = split or small_split(tmp_path / "split")
        flags = ["--from", source, "--output", output, "--split", split, "--size", SIZE]
        return run_prepare(capfd, "pack", *flags, *more)

    return run


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


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


# ---------------------------------------------------------------- killed, twice at once


def test_a_killed_run_leaves_a_sound_pack_and_the_same_command_completes_it(kitti_sample, pack, tmp_path):
    """One short drive and one long one: the short one is finished when the run dies in the long one."""
    other = DRIVE.replace("9001", "9002")
    zip_drive(kitti_sample, tmp_path / "zips", range(40))
    zip_drive(kitti_sample, tmp_path / "zips", range(3), drive=other)
    split = write_split(tmp_path / "both", train=range(1, 39))
    with open(split / "train_files.txt", "a") as file:
        file.write(f"{other} 1 l\n")
    output = tmp_path / "pack"
    flags = [
        "--from",
        tmp_path / "zips",
        "--output",
        output,
        "--split",
        split,
        "--size",
        "640x192",
        "--num_workers",
        "2",
    ]
    index = output / packed_index.INDEX_FILE
    command = [sys.executable, "-m", "litemono.prepare", "pack", *flags]
    process = processes.start(command, cwd=ROOT, stdout=subprocess.PIPE)
    processes.wait_until("the short drive", lambda: index.exists() and other in index.read_text(), by=process)
    process.kill()
    processes.finish(process, 60)  # its workers hold stdout, and end with it
    assert list(packed_index.read_index(output).drives) == [other]
    assert open_store("kitti", output, False, 192, 640).has(other, 1, "l")

    again = pack(tmp_path / "zips", output, "--size", "640x192", split=split)
    assert again.returncode == 0, again.stderr
    clean = tmp_path / "clean"
    pack(tmp_path / "zips", clean, "--size", "640x192", split=split)
    first, second = content(output), content(clean)
    assert json.loads(first.pop("packed.json"))["drives"] == json.loads(second.pop("packed.json"))["drives"]
    assert first == second


def test_ctrl_c_ends_the_pack_and_says_how_to_go_on(zips, tmp_path):
    split = write_split(tmp_path / "split", train=range(1, 19))
    # Large frames: the pack has to be at work still when the signal comes, on a busy machine too.
    flags = ["--from", zips, "--output", tmp_path / "pack", "--split", split, "--size", "3840x1152"]
    command = [sys.executable, "-m", "litemono.prepare", "pack", *flags]
    process = processes.start(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    frames = tmp_path / "pack" / DRIVE / "image_02.bin"
    processes.wait_until("the first frames", frames.exists, by=process)
    process.send_signal(signal.SIGINT)
    done = processes.finish(process, 60)
    assert done.returncode == 130, done.stderr
    assert "interrupted; the same command continues" in done.stdout and "Traceback" not in done.stderr
    assert not frames.exists()


def test_two_packs_into_one_folder_are_refused(zips, pack, tmp_path):
    (tmp_path / "pack").mkdir()
    with open(tmp_path / "pack" / ".pack.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert_fails(pack(zips), "another pack runs in this folder")
    assert pack(zips).returncode == 0


def test_only_what_a_killed_pack_left_is_deleted(zips, pack, tmp_path):
    """A home folder, given as --output, has other programs' temporary files."""
    drive = tmp_path / "pack" / DRIVE
    ours = [tmp_path / "pack/.packed.json.99.tmp", drive / ".velodyne_points.zip.99.tmp"]
    theirs = [tmp_path / "pack/.draft.tmp", tmp_path / "pack/other/.mail.99.tmp"]
    for file in (*ours, *theirs):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert pack(zips).returncode == 0
    assert not any(file.exists() for file in ours) and all(file.exists() for file in theirs)


# ---------------------------------------------------------------- bad input


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
