"""What the trainer refuses, in one sentence and before anything is written."""

from __future__ import annotations

import shutil

import pytest
from drives import DRIVE, write_drive
from tiny_kitti import assert_refused, invoke
from trainings import (
    flags,
)

from litemono.train import main

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("batch", [["--batch_size", "1"], ["--batch_size", "2", "--accumulate", "2"]])
def test_a_batch_of_one_place_for_batchnorm_is_refused_before_the_run(street, tmp_path, capsys, batch):
    base = [*flags(street, tmp_path / "runs"), "--width", "32", "--max_steps", "1"]
    assert_refused(invoke(main, capsys, *base, *batch), "BatchNorm would see one value", "--height or --width")
    assert not (tmp_path / "runs").exists()
    for way_out in (["--width", "64"], ["--batched_pose"], ["--frame_ids", "0", "--use_stereo"]):
        name = "_".join(way_out).strip("-")
        outcome = invoke(main, capsys, *base, *batch, *way_out, "--model_name", name)
        assert outcome.code == 0, outcome.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--data_path", "nowhere"], "--data_path nowhere: no such folder"),
        (["--split", "eigen_zu"], "eigen_zhou"),
        (["--height", "16"], "--height 16: must be at least 32"),
        (["--batch_size", "0"], "--batch_size 0"),
        (["--batch_size", "9"], "lower --batch_size"),
        (["--accumulate", "3"], "--accumulate 3 must divide"),
        (["--sync_bn"], "--sync_bn works on GPUs only"),
        (["--frame_ids", "0"], "--use_stereo"),
        (["--lr", "1e-4", "1e-5", "31"], "--lr takes 1 or 2 or 6 values"),
        (["--weights_init", "nowhere.pth"], "nowhere.pth"),
        (["--weights_init", "pretrained"], "litemono.prepare weights"),
        (["--mypretrain", "nowhere.pth"], "--mypretrain nowhere.pth"),
        (["--model", "lite-mono-huge"], "lite-mono-huge"),
        (["--batchsize", "3"], "batchsize"),
        (["--intrinsics", "1,2"], "--intrinsics 1,2"),
        (["--intrinsics", "0.58,1.92,0.5,0.5"], "cannot be the camera of"),
        (["--weight_decay", "-1"], "--weight_decay -1.0: must be finite and not negative"),
        (["--lr", "inf"], "--lr: every value must be positive and finite"),
        (["--seed", "-1"], "--seed -1"),
        (["--max_depth", "inf"], "--max_depth inf"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_flag_ends_with_one_sentence_and_leaves_nothing_behind(
    street, tmp_path, monkeypatch, capsys, change, says
):
    monkeypatch.chdir(tmp_path)  # where no weights/ folder is
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    outcome = invoke(main, capsys, *flags(street, tmp_path / "runs"), *change)
    assert outcome.code == 2
    assert says in " ".join(outcome.err.replace("│", " ").split())
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "runs").exists()


def test_a_place_where_nothing_can_be_written_is_told_in_one_sentence(street, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    outcome = invoke(main, capsys, *flags(street, tmp_path / "file"))
    assert_refused(outcome, "file/run: cannot be written (Not a directory)")


def test_a_missing_frame_is_reported_before_training_and_can_be_skipped(tmp_path, command):
    root = write_drive(tmp_path / "data", range(10))
    for which in ("train", "val"):
        (root / f"{which}_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in range(1, 9)))
    next(root.rglob("0000000002.png")).unlink()
    arguments = flags(root, tmp_path / "runs")
    result = command("litemono.train", *arguments)
    assert result.returncode == 2
    assert "3 of 8 samples lack frames" in result.stderr and "--skip_missing" in result.stderr
    assert "2011_09_26_drive_0001_sync.zip" in result.stderr or "2011_09_26_drive_0001.zip" in result.stderr
    assert not (tmp_path / "runs").exists()
    assert command("litemono.train", *arguments, "--skip_missing", "--max_steps", "1").returncode == 0


def test_a_truncated_frame_stops_the_run_with_its_name(tmp_path, command):
    root = write_drive(tmp_path / "data", range(10))
    for which in ("train", "val"):
        (root / f"{which}_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in range(1, 9)))
    frame = next(root.rglob("0000000004.png"))
    frame.write_bytes(frame.read_bytes()[:1000])
    result = command("litemono.train", *flags(root, tmp_path / "runs"), "--num_workers", "1")
    assert result.returncode == 2, result.stderr
    assert str(frame) in result.stderr and "Traceback" not in result.stderr


def test_a_cut_scan_or_a_calibration_without_its_matrix_stops_the_run_before_it_starts(tmp_path, parity, capsys):
    """Validation reads scans after the first epoch: hours too late for such news."""
    root = tmp_path / "data"
    shutil.copytree(parity / "mini_kitti" / "2011_09_26", root / "2011_09_26")
    for which in ("train", "val"):
        (root / f"{which}_files.txt").write_text(f"{DRIVE} 5 l\n")
    arguments = [*flags(root, tmp_path / "runs"), "--batch_size", "1"]
    scan = next(root.rglob("*.bin"))
    whole = scan.read_bytes()
    scan.write_bytes(whole[:-5])
    assert_refused(invoke(main, capsys, *arguments), str(scan), "extract its archive again")
    scan.write_bytes(whole)
    calibration = root / "2011_09_26" / "calib_cam_to_cam.txt"
    calibration.write_text(calibration.read_text().replace("P_rect_02", "P_lost_02"))
    assert_refused(invoke(main, capsys, *arguments), str(calibration), "P_rect_02")
    assert not (tmp_path / "runs").exists()
