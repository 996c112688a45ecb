"""SECURITY.md, sentence by sentence: no file runs code, archives and commands stay in their folders, scripts quote."""

from __future__ import annotations

import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import processes
import pytest
import torch
from conftest import ROOT
from test_finetune import flags as finetune_flags
from tiny_kitti import DAY, DRIVE, assert_refused, invoke, write_split, write_world

from evaluate.sources import prediction_files, predictions
from evaluate.sources.map_files import read_map
from export_gt import GroundTruth
from export_gt.__main__ import main as export_main
from litemono import submit
from litemono.engine import checkpoint
from litemono.jobs import slurm, snapshot
from litemono.prepare import main as prepare_main
from litemono.synthetic.writer import write_world as render
from networks import state_files
from networks.errors import UserError

SHOUT = "touch attacked"


class Attack:
    """Unpickled, it runs a program."""

    def __reduce__(self) -> tuple:
        return os.system, (SHOUT,)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Attack()))


def write_torch(path: Path) -> None:
    torch.save({"encoder.weight": Attack()}, path)


def write_checkpoint(path: Path) -> None:
    checkpoint.save(path.parent, 1, {"format": Attack()}, 1)


def write_objects(path: Path) -> None:
    maps = np.empty(2, object)
    maps[:] = [Attack(), np.zeros((2, 3), np.float32)]
    np.savez(path, data=maps)


def write_array(path: Path) -> None:
    np.save(path, np.array([Attack()], object), allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "write", "read"),
    [
        ("encoder.pth", write_torch, state_files.read),
        ("encoder.pth", write_pickle, state_files.read),
        ("weights.safetensors", write_pickle, state_files.read),
        ("step_00000001.pt", write_checkpoint, checkpoint.load),
        ("gt_depths.npz", write_objects, lambda path: GroundTruth(path)[0]),
        ("gt_depths.npz", write_pickle, GroundTruth),
        ("pred.npz", write_objects, lambda path: prediction_files.open_named(path, "depth", 1).read(0)),
        ("pred.npy", write_array, lambda path: predictions.from_file(path, 1, "street", "disparity")),
        ("pred.npy", write_pickle, lambda path: predictions.from_file(path, 1, "street", "disparity")),
        ("map.npy", write_array, lambda path: read_map(path, 1, "png_factor")),
        ("map.npz", write_objects, lambda path: read_map(path, 1, "png_factor")),
    ],
)
def test_no_pickle_is_executed(tmp_path, monkeypatch, name, write, read):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name)
    with pytest.raises((UserError, ValueError)):
        read(tmp_path / name)
    assert not (tmp_path / "attacked").exists()


def test_the_attack_works_where_pickles_are_executed(tmp_path, monkeypatch):
    """Else the test above shows nothing."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Attack()))
    assert (tmp_path / "attacked").exists()


def test_members_of_an_archive_stay_inside_the_pack(tmp_path, capsys):
    """Names that lead out of the folder are never used: members are read by the names that the data set gives them."""
    world = tmp_path / "world"
    write_world(world, [1, 2])
    (tmp_path / "zips").mkdir()
    with zipfile.ZipFile(tmp_path / "zips" / f"{DRIVE.split('/')[1]}.zip", "w") as archive:
        for path in sorted((world / DRIVE).rglob("*.*")):
            archive.write(path, path.relative_to(world))
        for name in ("../outside.txt", f"{tmp_path}/outside.txt", f"{DRIVE}/../../../outside.txt", "C:\\outside.txt"):
            archive.writestr(name, b"outside")
    with zipfile.ZipFile(tmp_path / "zips" / f"{DAY}_calib.zip", "w") as archive:
        for path in (world / DAY).glob("calib*.txt"):
            archive.write(path, path.relative_to(world))
        archive.writestr(f"{DAY}/../../outside.txt", b"outside")
    split = write_split(tmp_path / "split", [1, 2])
    before = tree(tmp_path)
    arguments = ["--from", tmp_path / "zips", "--split", split, "--output", tmp_path / "pack", "--size", "64x32"]
    outcome = invoke(prepare_main, capsys, "pack", *arguments, "--num_workers", 1)
    assert outcome.code == 0, outcome.err
    assert {path for path in tree(tmp_path) - before if not path.is_relative_to(tmp_path / "pack")} == set()
    assert not [path for path in tree(tmp_path / "pack") if "outside" in path.name]


@pytest.mark.parametrize(
    "folder", ["../../outside", "/etc", f"{DAY}/../../outside", f"{DAY}/{DAY}_drive_0001_sync/../../../x"]
)
def test_a_list_cannot_lead_out_of_the_pack(tmp_path, capsys, folder):
    (tmp_path / "split").mkdir()
    (tmp_path / "split/train_files.txt").write_text(f"{folder} 1 l\n")
    (tmp_path / "zips").mkdir()
    arguments = ["--from", tmp_path / "zips", "--split", tmp_path / "split", "--output", tmp_path / "a/b/pack"]
    assert_refused(invoke(prepare_main, capsys, "pack", *arguments), "train_files.txt")
    assert not (tmp_path / "outside").exists() and not (tmp_path / "a/outside").exists()


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("security") / "world"
    render(folder, height=64, width=128, drives=3, frames_per_drive=8, seed=0, num_workers=1, left_only=True)
    return folder


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_a_training_writes_in_its_run_folder_alone_and_nothing_for_everyone(world, tmp_path):
    """Home, temporary folder, working folder and data stay as they are; the umask allows everything."""
    places = {name: tmp_path / name for name in ("home", "tmp", "here")}
    for place in places.values():
        place.mkdir()
    before = tree(world)
    ours = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [*finetune_flags(world, tmp_path / "runs"), "--max_steps", "1"]
    done = processes.run(
        [sys.executable, "-m", "litemono.finetune", *arguments],
        cwd=places["here"],
        env={
            **ours,
            "HOME": str(places["home"]),
            "TMPDIR": str(places["tmp"]),
        },
        umask=0,
    )
    assert done.returncode == 0, done.stderr
    in_home = {
        path for path in tree(places["home"]) if "matplotlib" not in path.name
    }  # it makes its folder of settings
    assert {*in_home, *tree(places["tmp"]), *tree(places["here"])} <= {
        places["home"] / ".config",
        places["home"] / ".cache",
    }
    assert tree(world) == before
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"run"}
    assert writable_by_everyone(tmp_path / "runs") == []


def writable_by_everyone(folder: Path) -> list[Path]:
    return [path for path in (folder, *tree(folder)) if not path.is_symlink() and path.stat().st_mode & 0o002]


def test_no_file_of_a_command_is_writable_by_everyone(world, tmp_path, capsys):
    before = os.umask(0)
    try:
        arguments = ["--data_path", world, "--split", world / "street", "--num_workers", 1]
        outcome = invoke(export_main, capsys, *arguments, "--output", tmp_path / "out/gt.npz")
    finally:
        os.umask(before)
    assert outcome.code == 0 and (tmp_path / "out/gt.npz").is_file()
    assert writable_by_everyone(tmp_path / "out") == []


HOSTILE = "run $(touch attacked) `touch attacked` ; touch attacked '\" & | > attacked"


def test_a_batch_script_quotes_every_name(world, tmp_path, monkeypatch, capsys):
    """The printed script, run by bash with commands that do nothing in place of Slurm's and Python."""
    monkeypatch.setattr(slurm, "available", lambda: False)
    log_dir = tmp_path / HOSTILE
    flags = [str(log_dir) if flag == "LOG_DIR" else flag for flag in finetune_flags(world, Path("LOG_DIR"))]
    arguments = ["finetune", *flags, "--dry_run", "--gpus_per_node", "0"]
    outcome = invoke(submit.main, capsys, *arguments)
    assert outcome.code == 0, outcome.err
    script = "#!/bin/bash" + outcome.out.split("#!/bin/bash", 1)[1]
    stubs = tmp_path / "bin"
    stubs.mkdir()
    (stubs / "srun").write_text("#!/bin/bash\nexit 0\n")
    (stubs / "srun").chmod(0o755)
    (tmp_path / "here").mkdir()
    code = snapshot.of_checkout()  # the copy that a job runs from; --dry_run makes none
    if code:
        code.path(log_dir / "run/slurm").mkdir(parents=True)
    script = script.replace(f"exec {sys.executable}", "printf '%s\\n'")  # what would be executed
    done = processes.run(
        ["bash"],
        stdin=script,
        cwd=tmp_path / "here",
        env={"PATH": f"{stubs}:/usr/bin:/bin"},
    )
    assert str(log_dir / "run") in done.stdout.splitlines(), done.stderr
    assert not list(tmp_path.rglob("attacked"))


@pytest.mark.parametrize("flag", ["partition", "account", "qos", "constraint"])
def test_a_value_for_slurm_stays_on_its_line(world, tmp_path, monkeypatch, capsys, flag):
    monkeypatch.setattr(slurm, "available", lambda: False)
    arguments = ["finetune", *finetune_flags(world, tmp_path), "--dry_run", f"--{flag}", f"a\n{SHOUT}"]
    assert_refused(invoke(submit.main, capsys, *arguments), f"--{flag}")
