"""The doctor's findings, on made-up machines."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from composites import SIZE, write_small
from drives import DRIVE, write_drive
from PIL import Image
from rich.console import Console

from litemono import doctor
from litemono.data.kitti.paths import scan_path
from litemono.data.packing.composites import pack_composites
from litemono.diagnosis import cluster, gpu, machine, report
from litemono.diagnosis.data import check_composites, check_split
from litemono.diagnosis.finding import Finding
from litemono.diagnosis.gpu import has_code_for, wheel_problem
from litemono.doctor import DoctorConfig
from litemono.jobs import slurm
from networks import imagenet

V100_WHEEL = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]
NEW_WHEEL = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize(
    ("architecture", "wheel", "runs"),
    [
        ("sm_70", V100_WHEEL, True),
        ("sm_70", NEW_WHEEL, False),
        ("sm_89", NEW_WHEEL, True),  # code for 8.6 runs on 8.9
        ("sm_72", ["sm_75"], False),
        ("sm_121", NEW_WHEEL, True),
        ("sm_100", V100_WHEEL, False),
        ("sm_100", [*V100_WHEEL, "compute_90"], True),  # PTX is compiled on newer GPUs
    ],
)
def test_which_gpus_a_wheel_has_code_for(architecture, wheel, runs):
    assert has_code_for(architecture, wheel) is runs


def test_a_wheel_without_code_for_the_v100_is_named_with_the_pin():
    problem = wheel_problem(["v100"], NEW_WHEEL)
    assert "no code for v100 (sm_70" in problem and "envs/v100.txt" in problem
    assert "envs/current.txt" in wheel_problem(["b200"], V100_WHEEL)
    assert wheel_problem(["v100", "a100", "some_new_gpu"], V100_WHEEL) is None


def test_a_wheel_without_cuda_is_named():
    assert "built without CUDA" in wheel_problem(["v100"], [])


def test_composites_are_recognised_packed_and_as_files(tmp_path):
    rooms = write_small(tmp_path / "rooms")
    pack_composites(rooms, tmp_path / "packed", SIZE, 2, Console(quiet=True))
    assert check_composites(rooms) == Finding(True, "data", "16 pictures of 4 backgrounds")
    assert check_composites(tmp_path / "packed").text == "16 pictures of 4 backgrounds, packed at 48x32"
    found = [*doctor.findings(DoctorConfig(data_path=tmp_path / "packed", log_dir=tmp_path))]
    assert any(finding.text.endswith("packed at 48x32") for finding in found)
    (tmp_path / "packed/mask.npy").unlink()
    assert check_composites(tmp_path / "packed").good is False


@pytest.fixture
def split(tmp_path) -> Path:
    root = write_drive(tmp_path / "kitti", range(10), sides="lr")
    for which, frames in (("train", range(1, 9)), ("val", range(4, 7))):
        (root / f"{which}_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in frames))
    return root


def test_a_whole_split_is_fine_and_a_missing_frame_is_named(split):
    finding = check_split("kitti", split, str(split), png=True)
    assert finding.good and "8 of 8 train, 3 of 3 val" in finding.text
    next(split.rglob("image_02/**/0000000004.png")).unlink()
    finding = check_split("kitti", split, str(split), png=True)
    assert finding.good is False and "5 of 8 train" in finding.text and "no /" in finding.text


def test_a_validation_scan_that_training_cannot_read_is_named(split):
    scan = scan_path(split, DRIVE, 5)
    scan.parent.mkdir(parents=True)
    scan.write_bytes(bytes(15))
    finding = check_split("kitti", split, str(split), png=True)
    assert finding.good is False and "0000000005.bin" in finding.text


def test_the_first_missing_frame_and_its_archive_are_named(split):
    (split / "train_files.txt").write_text(f"{DRIVE} 40 l\n")
    finding = check_split("kitti", split, str(split), png=False)
    assert finding.good is False
    assert "0000000040.jpg or .png; archives: 2011_09_26_drive_0001_sync.zip (" in finding.text


@pytest.mark.parametrize("how", ["dangling", "empty", "wrong bytes"])
def test_frames_that_are_no_images_are_named(split, monkeypatch, how):
    frame = next(split.rglob("image_02/**/0000000004.png"))
    frame.unlink()
    if how == "dangling":
        frame.symlink_to(split / "not" / "mounted.png")
    else:
        frame.write_bytes(b"" if how == "empty" else b"<html>404</html>")
    finding = check_split("kitti", split, str(split), png=True)
    assert finding.good is False and "5 of 8 train" in finding.text and f"{frame}: " in finding.text
    monkeypatch.setattr(slurm, "available", lambda: False)
    found = doctor.findings(DoctorConfig(data_path=frame.parent, dataset="frames"))
    assert [(f.good, str(frame) in f.text) for f in found if f.subject == "data"] == [(False, True)]


def test_videos_with_images_of_several_sizes_are_bad(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "available", lambda: False)
    for n in range(9):
        Image.new("RGB", (64, 32) if n < 6 else (32, 64)).save(tmp_path / f"{n}.png")
    (found,) = [f for f in doctor.findings(DoctorConfig(data_path=tmp_path, dataset="frames")) if f.subject == "data"]
    assert found.good is False and "64x32" in found.text and "32x64" in found.text


def test_a_list_that_cannot_be_read_is_bad(split):
    (split / "train_files.txt").write_text("garbage\n")
    assert check_split("kitti", split, str(split), png=True).good is False


def test_videos_need_no_split(split, monkeypatch):
    monkeypatch.setattr(slurm, "available", lambda: False)
    frames = next(split.rglob("image_02/data"))
    found = [f for f in doctor.findings(DoctorConfig(data_path=frames, dataset="frames")) if f.subject == "data"]
    assert [(f.good, f.text) for f in found] == [(True, "10 frames in 1 videos")]


def test_a_split_or_folder_that_is_not_there_is_a_finding_not_a_crash(split):
    assert check_split("kitti", split, "no_such_split", png=False).good is False
    assert check_split("kitti", split / "nowhere", "eigen", png=False).good is False


def test_a_full_disk_and_exhausted_inodes_are_bad(tmp_path, monkeypatch):
    assert all(finding.good for finding in machine.check_disk(tmp_path / "runs"))
    monkeypatch.setattr(machine, "RUN_GB", 1e9)
    monkeypatch.setattr(machine, "FILES_OF_A_RUN", 10**15)
    assert not any(finding.good for finding in machine.check_disk(tmp_path / "runs"))


def test_without_slurm_nothing_is_wrong(monkeypatch):
    monkeypatch.setattr(slurm, "available", lambda: False)
    (finding,) = cluster.check_slurm()
    assert finding.good is None


def test_the_exit_code_counts_problems(monkeypatch, capsys):
    for answer, status in ((True, 0), (None, 0), (False, 1)):
        monkeypatch.setattr(doctor, "findings", lambda config, a=answer: [Finding(a, "torch", "says [this]")])
        assert doctor.doctor(DoctorConfig()) == status
        assert "says [this]" in capsys.readouterr().out


def test_the_command_runs_here_and_tells_about_python_and_torch(command):
    done = command("litemono.doctor")
    assert "python" in done.stdout and "code for" in done.stdout and "Traceback" not in done.stderr
    assert done.returncode in (0, 1)


def install(folder: Path, name: str, module: str) -> None:
    """A distribution as pip leaves it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "top_level.txt").write_text(f"{module}\n")
    (info / "RECORD").write_text(f"{module}/__init__.py,,\n")


def test_another_package_named_evaluate_is_named_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    assert not [*machine.check_packages()]
    install(tmp_path, "model-evaluator", "evaluate")
    (finding,) = machine.check_packages()
    assert finding.good is False and "model-evaluator also installs a module named evaluate" in finding.text
    assert "pip uninstall model-evaluator" in finding.text and "`litemono evaluate` is ours" in finding.text
    shutil.rmtree(next(tmp_path.glob("*.dist-info")))
    assert not [*machine.check_packages()]


def test_without_torch_the_pin_is_named_and_with_it_the_finding_is_good(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)
        (finding,) = gpu.check_torch()
    assert finding.good is False and "pip install -c envs/v100.txt -e ." in finding.text
    assert next(iter(gpu.check_torch())).good


def test_imagenet_weights_that_prepare_puts_here_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet, "WEIGHTS_FOLDER", tmp_path)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    finding = machine.check_weights(18)
    assert finding.good is False and "python -m litemono.prepare weights" in finding.text
    (tmp_path / f"{imagenet.RESNETS[18]}.safetensors").touch()
    assert machine.check_weights(18).good


def test_a_log_dir_that_cannot_be_written_is_bad_and_another_is_good(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert "is not writable; give another --log_dir" in [*machine.check_disk(tmp_path / "runs")][-1].text
    (tmp_path / "other").mkdir()
    assert not [finding for finding in machine.check_disk(tmp_path / "other") if "writable" in finding.text]


# ---------------------------------------------------------------- the report


def test_the_report_is_one_block_with_versions_and_findings(monkeypatch, capsys):
    monkeypatch.setattr(
        doctor, "findings", lambda config: [Finding(True, "gpu", "V100"), Finding(False, "data", "gone")]
    )
    assert doctor.doctor(DoctorConfig(report=True)) == 0
    out = capsys.readouterr().out.splitlines()
    assert (out[0], out[-1]) == ("```text", "```")
    assert any(line.startswith("litemono  0.") for line in out)
    assert any("torch " in line and "numpy " in line for line in out if line.startswith("packages"))
    assert any(line.startswith("slurm") for line in out)
    assert "ok   gpu      V100" in out and "BAD  data     gone" in out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("free at /scratch/alice/runs; a run", "free at .../runs; a run"),
        ("no /data/k/2011_09_26/0000000040.jpg or .png", "no .../0000000040.jpg or .png"),
        ("~/secret/project/x.py", ".../x.py"),
        ("kitti_data/2011 and https://host/a/b.zip", "kitti_data/2011 and https://host/a/b.zip"),
        ("alice on node7: /home/alice", "USER on HOST: .../USER"),
        ("code for sm_70/sm_75", "code for sm_70/sm_75"),
    ],
)
def test_the_report_has_no_private_names(monkeypatch, text, shown):
    monkeypatch.setenv("USER", "alice")
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    assert report.without_names(text) == shown


def test_the_report_of_this_machine_has_no_folder_of_it(split, monkeypatch, capsys):
    monkeypatch.setattr(slurm, "available", lambda: False)
    doctor.doctor(DoctorConfig(report=True, data_path=split / "nowhere", png=True))
    out = capsys.readouterr().out
    assert str(split.parent) not in out and str(Path.home()) + "/" not in out and "packages" in out
