"""Packed frames behind the same interface as folders of images: the same pixels, and clear words when they do not fit."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch
from packing_helpers import DAY, DRIVE, assert_fails, run_prepare, small_split, zip_drive

from export_gt import __main__ as export_gt
from litemono import prepare
from litemono.data.datasets.kitti_odometry import KITTI_ODOMETRY
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.kitti.paths import scan_path
from litemono.data.kitti.velodyne import velodyne_depth
from litemono.data.loader import Loader
from litemono.data.packing.requirements import SplitConfig
from litemono.data.sampler import EpochBatches
from litemono.data.splits import SplitLine
from litemono.data.stores import packed_index
from litemono.data.stores.folder import open_store
from litemono.data.triplets import TripletDataset
from litemono.utils.errors import UserError

HEIGHT, WIDTH = 192, 640
FRAMES = [*range(3, 10), 15, 16, 17]


@pytest.fixture(scope="session")
def pack(kitti_sample, tmp_path_factory):
    """The small split of the real drive, packed from its zips at full size.  Read-only by agreement."""
    folder = tmp_path_factory.mktemp("packed")
    zip_drive(kitti_sample, folder / "zips", range(20))
    split = small_split(folder / "split")
    frames = SplitConfig(split=str(split))
    assert prepare.pack(prepare.PackConfig(str(folder / "zips"), folder / "pack", frames=frames)) == 0
    return folder / "pack"


@pytest.fixture
def damaged(pack, tmp_path):
    """A copy of the pack, to be damaged."""
    return shutil.copytree(pack, tmp_path / "copy")


def both(pack, kitti_sample):
    return open_store("kitti", pack, False, HEIGHT, WIDTH), open_store("kitti", kitti_sample, True, HEIGHT, WIDTH)


def dataset(store, lines, training: bool) -> TripletDataset:
    return TripletDataset(
        store,
        lines,
        frame_ids=(0, -1, 1),
        use_stereo=False,
        intrinsics="calib",
        color_jitter="per_image",
        seed=3,
        training=training,
        read_depth=None if training else partial(KITTI_RAW.depth.read, store.root),
    )


def assert_same(first, second) -> None:
    for name, a, b in zip(first._fields, first, second, strict=True):
        assert torch.equal(a, b), name


def test_training_triplets_are_those_of_the_folder_bit_for_bit(pack, kitti_sample):
    lines = [SplitLine(DRIVE, frame, "l") for frame in (4, 5, 7)]
    packed_set, folder_set = (dataset(store, lines, training=True) for store in both(pack, kitti_sample))
    for key in [(epoch, index) for epoch in range(2) for index in range(3)]:
        assert_same(packed_set[key], folder_set[key])


def test_batches_of_loader_processes_are_those_of_the_folder(pack, kitti_sample):
    lines = [SplitLine(DRIVE, frame, "l") for frame in (4, 5, 7, 8)]
    batches = [
        list(Loader(dataset(store, lines, training=True), EpochBatches(4, 2, seed=1), workers, "cpu"))
        for store, workers in zip(both(pack, kitti_sample), (2, 0), strict=True)
    ]
    assert len(batches[0]) == 2
    for first, second in zip(*batches, strict=True):
        assert_same(first, second)


def test_a_frame_read_for_evaluation_has_the_pixels_and_the_layout_of_the_folders(pack, kitti_sample):
    """The layout as well: a network's convolutions round differently on another one."""
    first, second = (store.read(DRIVE, 16, "l") for store in both(pack, kitti_sample))
    assert np.array_equal(first, second)
    assert first.strides == second.strides


def test_validation_samples_with_scans_are_those_of_the_folder(pack, kitti_sample):
    lines = [SplitLine(DRIVE, 8, "l")]
    first, second = (dataset(store, lines, training=False)[0, 0] for store in both(pack, kitti_sample))
    assert (first.depth > 0).sum() > 10_000
    assert_same(first, second)


def test_ground_truth_of_the_thinned_scans_is_that_of_the_whole_ones(pack, kitti_sample):
    scans = [scan_path(root, DRIVE, 16) for root in (pack, kitti_sample)]
    for cam in (2, 3):
        for vel_depth in (False, True):
            maps = [velodyne_depth(kitti_sample / DAY, scan, cam, vel_depth) for scan in scans]
            assert np.array_equal(*maps)


def test_calibration_is_copied_as_it_is(pack, kitti_sample):
    for text in (kitti_sample / DAY).glob("*.txt"):
        assert (pack / DAY / text.name).read_bytes() == text.read_bytes()


def test_native_size_is_the_original_one(pack, kitti_sample):
    first, second = (store.native_size(DRIVE, 5, "l") for store in both(pack, kitti_sample))
    assert first == second == (375, 1242)


def set_frame(index: dict, value: object) -> None:
    camera(index)["frames"][-1] = value


def camera(index: dict) -> dict:
    return index["drives"][DRIVE]["cameras"]["l"]


NONSENSE = {
    "a fraction": lambda index: set_frame(index, 1.5),
    "nothing": lambda index: set_frame(index, None),
    "a truth": lambda index: set_frame(index, True),
    "a text": lambda index: set_frame(index, "x"),
    "a huge number": lambda index: set_frame(index, 10**13),
    "a negative number": lambda index: set_frame(index, -1),
    "a list": lambda index: set_frame(index, [1]),
    "no list": lambda index: camera(index).update(frames="0123456789"),
    "a size of one": lambda index: camera(index).update(native_size=[375]),
    "a height of text": lambda index: index.update(height="192"),
    "no height": lambda index: index.update(height=0),
    "a checksum": lambda index: camera(index)["crc32"].__setitem__(0, {}),
    "scans": lambda index: index["drives"][DRIVE].update(scans=5),
    "a data set": lambda index: index.update(dataset=["kitti"]),
    "drives": lambda index: index.update(drives=[1, 2]),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_an_index_with_values_of_wrong_types_is_named(damaged, what):
    index = json.loads((damaged / packed_index.INDEX_FILE).read_text())
    NONSENSE[what](index)
    (damaged / packed_index.INDEX_FILE).write_text(json.dumps(index))
    with pytest.raises(UserError, match="packed.json: not an index of packed frames"):
        open_store("kitti", damaged, False, HEIGHT, WIDTH)


def test_an_index_nested_too_deeply_is_named(damaged):
    (damaged / packed_index.INDEX_FILE).write_text("[" * 200_000)
    with pytest.raises(UserError, match="packed.json: not an index of packed frames"):
        open_store("kitti", damaged, False, HEIGHT, WIDTH)


def test_a_large_frame_number_costs_no_memory(damaged):
    index = json.loads((damaged / packed_index.INDEX_FILE).read_text())
    set_frame(index, 9_999_999_999)
    (damaged / packed_index.INDEX_FILE).write_text(json.dumps(index))
    tracemalloc.start()
    store = open_store("kitti", damaged, False, HEIGHT, WIDTH)
    assert store.has(DRIVE, 9_999_999_999, "l") and tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_only_packed_frames_are_there(pack):
    store = open_store("kitti", pack, False, HEIGHT, WIDTH)
    assert [frame for frame in range(-2, 45) if store.has(DRIVE, frame, "l")] == FRAMES
    assert not store.has(DRIVE, 5, "r")
    assert not store.has("elsewhere", 5, "l")
    with pytest.raises(UserError, match="frame 12 is not packed in .*image_02.bin; .*prepare pack"):
        store.read(DRIVE, 12, "l")


def test_another_size_is_refused_with_both_sizes_and_both_ways_out(pack):
    with pytest.raises(UserError, match="640x192.*1024x320.*--height 192 --width 640.*--size 1024x320"):
        open_store("kitti", pack, False, 320, 1024)


def test_another_data_set_is_refused(pack):
    with pytest.raises(UserError, match="kitti_odom"):
        open_store("kitti_odom", pack, False, HEIGHT, WIDTH)


def test_a_truncated_frame_file_is_named_when_the_pack_is_opened(damaged):
    os.truncate(damaged / DRIVE / "image_02.bin", 1000)
    with pytest.raises(UserError, match=r"image_02\.bin: 1000 of .* bytes"):
        open_store("kitti", damaged, False, HEIGHT, WIDTH)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": "something else"}', "not json"])
def test_a_damaged_index_is_named(damaged, text):
    (damaged / packed_index.INDEX_FILE).write_text(text)
    with pytest.raises(UserError, match=r"packed\.json: not an index"):
        open_store("kitti", damaged, False, HEIGHT, WIDTH)


def test_odometry_sequences_are_found_with_and_without_leading_zero(tmp_path):
    index = packed_index.PackIndex(
        "kitti_odom", 32, 64, {"09": packed_index.Drive({"l": packed_index.Camera((376, 1241), [0, 1], [0, 0])})}
    )
    path = packed_index.frames_file(tmp_path, KITTI_ODOMETRY, "09", "l")
    assert path == tmp_path / "sequences/09/image_2.bin"
    path.parent.mkdir(parents=True)
    np.arange(2 * 3 * 32 * 64, dtype=np.uint8).tofile(path)
    packed_index.write_index(tmp_path, index)
    store = open_store("kitti_odom", tmp_path, False, 32, 64)
    assert store.has("9", 1, "l") and store.has("09", 1, "l") and not store.has("9", 2, "l")
    assert np.array_equal(store.read("9", 1, "l"), store.read("09", 1, "l"))


# ---------------------------------------------------------------- verify


@pytest.fixture
def verify(capfd, tmp_path):
    def run(data_path, *more):
        split = small_split(tmp_path / "split")
        return run_prepare(capfd, "verify", "--data_path", data_path, "--split", split, *more)

    return run


def test_verify_passes_a_whole_pack_and_a_whole_folder(pack, kitti_sample, verify):
    for process in (verify(pack), verify(kitti_sample, "--png"), verify(kitti_sample, "--png", "--deep")):
        assert process.returncode == 0, process.stdout
        assert "10 frames" in process.stdout and "all are there" in process.stdout
        assert ("there and whole" in process.stdout) != ("--deep looks into them" in process.stdout)
        assert "2 of 4 validation and test frames have a scan" in process.stdout


def test_verify_finds_one_changed_byte(damaged, verify):
    with open(damaged / DRIVE / "image_02.bin", "r+b") as file:
        file.seek(4 * 3 * HEIGHT * WIDTH + 77)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    process = verify(damaged)
    assert process.returncode == 1
    assert "frame 7 (row 4) is damaged" in process.stdout
    assert "1 damaged" in process.stdout


def test_verify_names_missing_frames_and_a_broken_scan_archive(damaged, verify):
    content = json.loads((damaged / packed_index.INDEX_FILE).read_text())
    camera = content["drives"][DRIVE]["cameras"]["l"]
    del camera["frames"][-1], camera["crc32"][-1]
    (damaged / packed_index.INDEX_FILE).write_text(json.dumps(content))
    (damaged / DRIVE / "velodyne_points.zip").write_bytes(b"PK")
    process = verify(damaged)
    assert process.returncode == 1
    assert "frame 17 is not packed in" in process.stdout
    assert "velodyne_points.zip: not a complete zip" in process.stdout


def test_verify_names_the_archives_of_missing_drives(kitti_sample, capfd):
    process = run_prepare(capfd, "verify", "--data_path", kitti_sample, "--png", "--split", "eigen")
    assert process.returncode == 1
    assert "2011_09_26_drive_0002_sync.zip" in process.stdout and "2011_09_26_calib.zip" in process.stdout


def test_verify_decodes_images_when_asked(kitti_sample, tmp_path, verify):
    tree = shutil.copytree(kitti_sample, tmp_path / "tree")
    image = tree / DRIVE / "image_02/data/0000000005.png"
    image.chmod(0o644)
    image.write_bytes(image.read_bytes()[:1000])
    assert verify(tree, "--png").returncode == 0
    process = verify(tree, "--png", "--deep")
    assert process.returncode == 1 and "0000000005.png: not a complete image" in process.stdout


@pytest.mark.parametrize("how", ["dangling", "empty", "wrong bytes", "scan"])
def test_verify_looks_at_first_bytes(kitti_sample, tmp_path, verify, how):
    tree = shutil.copytree(kitti_sample, tmp_path / "tree")
    path = tree / DRIVE / ("velodyne_points/data/0000000016.bin" if how == "scan" else "image_02/data/0000000005.png")
    path.unlink()
    if how == "dangling":
        path.symlink_to(tmp_path / "not_mounted.png")
    else:
        path.write_bytes(b"<html>404</html>" if how == "wrong bytes" else b"")
    process = verify(tree, "--png")
    assert process.returncode == 1 and "1 damaged" in process.stdout and f"{path}: " in process.stdout


def test_verify_reads_the_calibration(kitti_sample, tmp_path, verify):
    tree = shutil.copytree(kitti_sample, tmp_path / "tree")
    path = tree / DRIVE.split("/")[0] / "calib_velo_to_cam.txt"
    path.chmod(0o644)
    path.write_text("")
    process = verify(tree, "--png")
    assert process.returncode == 1 and "calib_velo_to_cam.txt" in process.stdout


def test_verify_of_nothing_is_an_error(verify, tmp_path):
    assert_fails(verify(tmp_path / "nowhere"), "--data_path", "no such folder")


# ---------------------------------------------------------------- the commands on a pack


def test_ground_truth_exported_from_a_pack_is_that_of_the_folder(pack, kitti_sample, tmp_path, monkeypatch):
    split = tmp_path / "scans"
    split.mkdir()
    (split / "test_files.txt").write_text(f"{DRIVE} 8 l\n{DRIVE} 16 l\n")
    files = []
    for number, root in enumerate((pack, kitti_sample)):
        files.append(tmp_path / f"{number}.npz")
        flags = ["--data_path", root, "--split", split, "--output", files[-1], "--num_workers", "1"]
        monkeypatch.setattr(sys, "argv", ["export_gt", *map(str, flags)])
        with pytest.raises(SystemExit) as end:
            export_gt.main()
        assert not end.value.code
    assert files[0].read_bytes() == files[1].read_bytes()
