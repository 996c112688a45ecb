"""Ground truth from scans and annotations, as users export it."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_kitti import (
    DAY,
    DRIVE,
    HEIGHT,
    WIDTH,
    assert_refused,
    invoke,
    point,
    snapshot,
    write_calibration,
    write_scan,
    write_split,
)

from export_gt import GroundTruth, depth_maps, files
from export_gt.__main__ import main
from litemono.data.splits import SplitLine, read_split, split_file
from litemono.utils.errors import UserError


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Two scans with three points each, and their split."""
    write_calibration(tmp_path)
    write_scan(tmp_path, 0, [point(57, 19, 10.0), point(20, 40, 5.5), point(57, 19, 30.0)])
    write_scan(tmp_path, 7, [point(0, 0, 20.0), point(WIDTH - 1, HEIGHT - 1, 40.0), (-5.0, 0.0, 0.0, 0.0)])
    write_split(tmp_path / "two", [0, 7])
    return tmp_path


@pytest.fixture
def export(capsys):
    return lambda *args: invoke(main, capsys, *args)


def sparse(truth: np.ndarray) -> dict[tuple[int, int], float]:
    return {(int(r), int(c)): float(truth[r, c]) for r, c in zip(*truth.nonzero(), strict=True)}


def test_the_command_exports_what_was_measured_by_hand(drive, command):
    done = command("export_gt", "--data_path", drive, "--split", drive / "two")
    assert done.returncode == 0, done.stderr
    truth = GroundTruth(drive / "gt_depths_two.npz")
    assert "2 depth maps" in done.stdout and str(truth.path) in done.stdout
    assert sparse(truth[0]) == {(19, 57): 10.0, (40, 20): 5.5}, "the nearer of two points counts"
    assert sparse(truth[1]) == {(0, 0): 20.0, (HEIGHT - 1, WIDTH - 1): 40.0}, "points behind the scanner do not count"
    assert truth[0].shape == (HEIGHT, WIDTH) and truth[0].dtype == np.float32


def test_the_file_needs_no_pickle_and_names_its_lines(drive, export):
    assert export("--data_path", drive, "--split", drive / "two").code == 0
    with np.load(drive / "gt_depths_two.npz") as arrays:  # numpy refuses pickles unless told otherwise
        assert sorted(arrays.files) == ["0000", "0001", "lines"]
        assert arrays["lines"].tolist() == [f"{DRIVE} 0 l", f"{DRIVE} 7 l"]


def test_the_published_format_is_read_by_numpy_1_and_2_and_by_us(drive, export):
    output = drive / "elsewhere" / "gt_depths.npz"
    assert export("--data_path", drive, "--split", drive / "two").code == 0
    outcome = export("--data_path", drive, "--split", drive / "two", "--published_format", "--output", output)
    assert outcome.code == 0 and str(output) in outcome.out
    ours, published = GroundTruth(drive / "gt_depths_two.npz"), GroundTruth(output)
    assert len(published) == 2 and published.lines is None
    assert all(np.array_equal(published[i], ours[i]) for i in range(2))
    with zipfile.ZipFile(output) as archive, archive.open("data.npy") as entry:
        assert np.lib.format.read_magic(entry) == (1, 0)
        assert np.lib.format.read_array_header_1_0(entry) == ((2,), False, np.dtype("O"))
        text = entry.read()
    assert b"numpy.core.multiarray" in text and b"numpy._core" not in text, "numpy 1 has no numpy._core"
    data = pickle.loads(text)  # as np.load does where pickles are allowed
    assert data.dtype == object and np.array_equal(data[1], ours[1])


def test_published_files_written_by_numpy_itself_are_read(tmp_path):
    maps = [np.full((3, 4), 2.5, np.float32), np.full((5, 4), 7.0, np.float32)]
    ragged = np.empty(2, object)
    ragged[:] = maps
    np.savez_compressed(tmp_path / "ragged.npz", data=ragged)
    np.savez_compressed(tmp_path / "equal.npz", data=np.stack([maps[0], maps[0] + 1]))
    assert [d.shape for d in GroundTruth(tmp_path / "ragged.npz")] == [(3, 4), (5, 4)]
    assert [float(d.max()) for d in GroundTruth(tmp_path / "equal.npz")] == [2.5, 3.5]


def test_published_files_of_the_first_numpys_are_read(tmp_path):
    """Those before 1.17 or so wrote pickles of protocol 2, in which bytes are text to be encoded."""
    maps = np.empty(2, object)
    maps[:] = [np.full((3, 4), 2.5, np.float32), np.full((5, 4), 200.0, np.float32)]
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": maps.shape})
    with zipfile.ZipFile(tmp_path / "old.npz", "w") as archive:
        archive.writestr("data.npy", header.getvalue() + pickle.dumps(maps, protocol=2))
    assert [(d.shape, float(d.max())) for d in GroundTruth(tmp_path / "old.npz")] == [((3, 4), 2.5), ((5, 4), 200.0)]


def test_a_file_that_wants_to_run_code_is_refused_without_running_it(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    trapped = np.empty(1, object)
    trapped[0] = Trap()
    np.savez(tmp_path / "gt.npz", data=trapped)
    with pytest.raises(UserError, match="gt.npz.*mkdir.*export_gt"):
        GroundTruth(tmp_path / "gt.npz")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_a_cut_ground_truth_file_is_refused(drive, export, keep):
    export("--data_path", drive, "--split", drive / "two")
    path = drive / "gt_depths_two.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else keep])
    with pytest.raises(UserError, match="gt_depths_two.npz: not a complete ground-truth file"):
        GroundTruth(path)


def test_maps_of_one_size_written_number_by_number_are_read(tmp_path):
    """What newer numpy makes of the published script when all maps have the same size."""
    maps = np.random.default_rng(0).random((3, 4, 5), np.float32)
    np.savez(tmp_path / "gt.npz", data=np.array(list(maps), dtype=object))
    truth = GroundTruth(tmp_path / "gt.npz")
    assert len(truth) == 3 and all(np.array_equal(truth[i], maps[i]) and truth[i].dtype == np.float32 for i in range(3))


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_flipped_bytes_are_damage_and_nothing_else(tmp_path, seed, published):
    maps = [np.random.default_rng(9).random((4, 5), np.float32) for _ in range(3)]
    path, rng, refused = tmp_path / "gt.npz", np.random.default_rng(seed), 0
    lines = [SplitLine("drive", frame, "l") for frame in range(3)]
    files.write_published(path, maps) if published else files.write(path, lines, maps)
    whole = path.read_bytes()
    for place, value in zip(rng.integers(len(whole), size=100), rng.integers(256, size=100), strict=True):
        data = bytearray(whole)
        data[place] = value
        path.write_bytes(data)
        try:
            truth = GroundTruth(path)
            assert all(truth[i].ndim == 2 for i in range(len(truth)))
        except UserError as error:
            refused += "make it again with export_gt" in str(error)
    assert refused > 30


def test_a_right_image_gets_the_depth_of_its_own_camera(drive, export):
    split = write_split(drive / "right", [7], side="r")
    assert export("--data_path", drive, "--split", split).code == 0
    disparity = round(50.0 * 0.5 / 40.0)  # 0.625 pixels; the point at the left border leaves the image
    assert sparse(GroundTruth(drive / "gt_depths_right.npz")[0]) == {(HEIGHT - 1, WIDTH - 1 - disparity): 40.0}


def test_an_image_without_any_point_is_mentioned(drive, export):
    write_scan(drive, 3, [])
    outcome = export("--data_path", drive, "--split", write_split(drive / "three", [0, 3]))
    assert outcome.code == 0 and f"1 of them have no depth at all: {DRIVE} 3 l" in outcome.out


def test_scans_give_the_recorded_depth(parity, tmp_path, export):
    split = tmp_path / "mini"
    split.mkdir()
    shutil.copy(parity / "mini_kitti" / "split.txt", split / "test_files.txt")  # frame 5, left and right
    outcome = export("--data_path", parity / "mini_kitti", "--split", split, "--output", tmp_path / "gt.npz")
    assert outcome.code == 0, outcome
    golden, truth = np.load(parity / "velodyne_depth.npz"), GroundTruth(tmp_path / "gt.npz")
    for index, camera in enumerate((2, 3)):
        expected = np.zeros((375, 1242))
        rows, columns = golden[f"cam{camera}_veldepth1_yx"]
        expected[rows, columns] = golden[f"cam{camera}_veldepth1_val"]
        np.testing.assert_array_equal(truth[index], expected.astype(np.float32))  # float64 in between, rounded once


def test_a_real_scan_gives_plausible_depth(kitti_sample, tmp_path, export):
    drive = next((kitti_sample / DAY).glob("*_sync"))
    split = tmp_path / "real"
    split.mkdir()
    (split / "test_files.txt").write_text(f"{DAY}/{drive.name} 0 l\n{DAY}/{drive.name} 8 l\n")
    outcome = export("--data_path", kitti_sample, "--split", split, "--output", tmp_path / "gt.npz")
    assert outcome.code == 0, outcome
    for depth in GroundTruth(tmp_path / "gt.npz"):
        seen = depth[depth > 0]
        assert depth.shape == (375, 1242) and 14_000 < len(seen) < 18_000
        assert 6 < np.median(seen) < 11, "the car waits behind others"
        assert np.count_nonzero(depth[:100]) < 0.1 * len(seen), "lidar hardly looks up"


# ---------------------------------------------------------------- depth annotations


def annotate(folder: Path, frame: int, metres: float) -> None:
    values = np.zeros((HEIGHT, WIDTH), np.uint16)
    values[5, 6] = round(metres * 256)
    path = folder / "proj_depth" / "groundtruth" / "image_02" / f"{frame:010d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.mark.parametrize("place", [DRIVE, f"train/{Path(DRIVE).name}", f"data_depth_annotated/val/{Path(DRIVE).name}"])
def test_annotations_are_found_in_raw_drives_and_as_downloaded(tmp_path, export, place):
    annotate(tmp_path / place, 69, 12.5)
    split = write_split(tmp_path / "eigen_benchmark", [69])
    outcome = export("--data_path", tmp_path, "--split", split)
    assert outcome.code == 0, outcome
    assert sparse(GroundTruth(tmp_path / "gt_depths_eigen_benchmark.npz")[0]) == {(5, 6): 12.5}


def test_damaged_and_wrong_annotations_are_refused(tmp_path, export):
    split = write_split(tmp_path / "eigen_benchmark", [69])
    annotate(tmp_path / DRIVE, 69, 12.5)
    path = next(tmp_path.rglob("*.png"))
    whole = path.read_bytes()
    path.write_bytes(whole[:60])
    assert_refused(export("--data_path", tmp_path, "--split", split), str(path), "data_depth_annotated.zip")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    assert_refused(export("--data_path", tmp_path, "--split", split), str(path), "16-bit")
    assert not list(tmp_path.glob("*.npz"))


@pytest.mark.parametrize(
    "split, count, archive", [("eigen", 697, "_sync.zip"), ("eigen_benchmark", 652, "annotated.zip")]
)
def test_an_empty_data_folder_is_told_what_to_download(tmp_path, export, split, count, archive):
    assert len(read_split(split_file(split, "test"))) == count
    assert_refused(export("--data_path", tmp_path, "--split", split), f"{count} of {count}", archive)
    assert snapshot(tmp_path) == set()


def test_annotation_lines_find_the_same_drive_in_every_place():
    line = SplitLine(DRIVE, 69, "r")
    path = depth_maps.ANNOTATIONS.find(Path("data"), line)
    assert path == Path("data") / DRIVE / "proj_depth/groundtruth/image_03/0000000069.png"


# ---------------------------------------------------------------- bad input


def cut_scan(root: Path) -> list:
    path = write_scan(root, 7, [point(0, 0, 20.0)])
    path.write_bytes(path.read_bytes()[:-3])
    return ["0000000007.bin", "truncated"]


def lose_scan(root: Path) -> list:
    (root / DRIVE / "velodyne_points" / "data" / f"{7:010d}.bin").unlink()
    return ["1 of 2", "0000000007.bin", "2011_09_26_drive_0002_sync.zip"]


def lose_calibration(root: Path) -> list:
    (root / DAY / "calib_velo_to_cam.txt").unlink()
    return ["calib_velo_to_cam.txt", "2011_09_26_calib.zip"]


def lose_projection(root: Path) -> list:
    write_calibration(root, leave_out="P_rect_02")
    return ["calib_cam_to_cam.txt", "P_rect_02"]


def empty_list(root: Path) -> list:
    (root / "two" / "test_files.txt").write_text("\n")
    return ["test_files.txt", "empty"]


@pytest.mark.parametrize("harm", [cut_scan, lose_scan, lose_calibration, lose_projection, empty_list])
def test_damaged_data_is_refused_and_leaves_nothing_behind(drive, export, harm):
    words = harm(drive)
    before = snapshot(drive)
    assert_refused(export("--data_path", drive, "--split", drive / "two"), *words)
    assert snapshot(drive) == before


@pytest.mark.parametrize(
    "flags, words",
    [
        ({"data_path": "nowhere"}, ["--data_path", "nowhere"]),
        ({"split": "eigne"}, ["--split eigne", "eigen", "eigen_benchmark"]),
        ({"num_workers": 0}, ["--num_workers 0"]),
        ({"output": "two"}, ["two", "folder"]),
    ],
)
def test_wrong_flags_are_refused_and_leave_nothing_behind(drive, export, monkeypatch, flags, words):
    monkeypatch.chdir(drive)
    before = snapshot(drive)
    chosen = {"data_path": ".", "split": "./two", **flags}
    args = [text for name, value in chosen.items() for text in (f"--{name}", value)]
    assert_refused(export(*args), *words)
    assert snapshot(drive) == before


def test_a_damaged_scan_stops_the_command_with_one_sentence(drive, command):
    words = cut_scan(drive)
    done = command("export_gt", "--data_path", drive, "--split", drive / "two", "--published_format")
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and all(word in done.stderr for word in words)
    assert not list(drive.glob("*gt_depths*"))
