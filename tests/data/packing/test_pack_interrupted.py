"""A pack that is killed, interrupted, or made two times at once."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys

import processes
from conftest import ROOT
from packing_helpers import (
    DRIVE,
    assert_fails,
    content,
    write_split,
    zip_drive,
)

from litemono.data.stores import packed_index
from litemono.data.stores.folder import open_store


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
