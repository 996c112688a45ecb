"""A pack on the node's own disk: copied once, verified, shared, and removed by the last that uses it."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from packing_helpers import DRIVE, small_split, wait_for_copy, zip_drive

from litemono import prepare
from litemono.data.packing.requirements import SplitConfig
from litemono.data.stores import staging
from litemono.data.stores.folder import open_store
from litemono.data.stores.folder import stage as stage_store
from litemono.utils.errors import UserError

HEIGHT, WIDTH = 32, 64
FRAMES = [*range(3, 10), 15, 16, 17]


@pytest.fixture(scope="module")
def pack(kitti_sample, tmp_path_factory) -> Path:
    """Ten frames of a real drive."""
    folder = tmp_path_factory.mktemp("to_stage")
    zip_drive(kitti_sample, folder / "zips", range(20))
    frames = SplitConfig(split=str(small_split(folder / "split")))
    config = prepare.PackConfig(str(folder / "zips"), folder / "pack", size=f"{WIDTH}x{HEIGHT}", frames=frames)
    assert prepare.pack(config) == 0
    return folder / "pack"


@pytest.fixture
def local(tmp_path) -> Path:
    (tmp_path / "local").mkdir()
    return tmp_path / "local"


@pytest.fixture
def staged(pack, local):
    """Open the pack with --stage, and close what was opened."""
    opened = []

    def open_staged(folder: Path | str = local, root: Path = pack):
        store = open_store("kitti", root, False, HEIGHT, WIDTH)
        store.stage(str(folder))
        opened.append(store)
        return store

    yield open_staged
    for store in opened:
        store._staging.close()


def frames_of(store) -> list[np.ndarray]:
    return [store.read(DRIVE, frame, "l") for frame in FRAMES]


def copies(local: Path) -> list[Path]:
    return [*local.rglob("*.bin")]


def reads_from(store) -> str:
    return os.readlink(f"/proc/self/fd/{store._files[DRIVE, 'l']._descriptor()}")


def test_nothing_is_copied_before_the_first_read_and_then_the_same_frames_come_from_the_copy(pack, local, staged):
    expected = frames_of(open_store("kitti", pack, False, HEIGHT, WIDTH))
    store = staged()
    assert not any(local.iterdir()), "a check before the job copies nothing"
    first = store.read(DRIVE, FRAMES[0], "l")  # from the share or the copy
    wait_for_copy(store)
    assert reads_from(store).startswith(str(local))
    np.testing.assert_array_equal([first, *frames_of(store)[1:]], expected)
    assert len(copies(local)) == 1 and copies(local)[0].read_bytes() == next(pack.rglob("*.bin")).read_bytes()
    assert (copies(local)[0].parents[3].stat().st_mode & 0o077) == 0, "no other user may put frames there"


def test_frames_are_read_from_the_share_while_the_copy_is_made(pack, local, staged, monkeypatch):
    waits, store = threading.Event(), staged()
    copy = staging.Staging._copy
    monkeypatch.setattr(staging.Staging, "_copy", lambda *args: waits.wait(20) and copy(*args))
    frames_of(store)
    assert reads_from(store).startswith(str(pack))
    waits.set()
    wait_for_copy(store)
    assert reads_from(store).startswith(str(local))


def test_two_that_use_it_copy_once_and_the_last_removes_it(local, staged, monkeypatch):
    copied, copy = [], staging.Staging._copy
    monkeypatch.setattr(staging, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(staging.Staging, "_copy", lambda self, *parts: copied.append(self) or copy(self, *parts))
    stores = [staged(), staged()]
    for store in stores:
        frames_of(store)
    for store in stores:
        wait_for_copy(store)
        assert reads_from(store).startswith(str(local))
    assert len(copied) == 1
    stores[0]._staging.close()
    assert len(copies(local)) == 1
    frames_of(stores[1])
    stores[1]._staging.close()
    assert not copies(local)


def test_what_a_killed_job_left_is_removed_but_not_what_another_uses(local, staged):
    base = local / f"litemono-{os.getuid()}"
    for name in ("dead", "used"):
        (base / name).mkdir(parents=True)
        (base / f"{name}.users").touch()
    with open(base / "used.users") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        frames_of(staged())
    assert (base / "used").exists() and not (base / "dead").exists()


def test_too_little_space_is_said_before_anything_is_copied_and_what_is_there_counts(local, staged, pack, monkeypatch):
    free = [10]
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda path: usage(10, 10, free[0]))
    with pytest.raises(UserError, match=r"--stage .*local: 0.00 GB are free, and .*/pack takes 0.00 GB"):
        staging.check_stage(str(local), pack)
    with pytest.raises(UserError, match="--stage .*local: 0.00 GB are free"):
        frames_of(staged())
    assert not copies(local)
    free[0] = next(pack.rglob("*.bin")).stat().st_size
    store = staged()
    frames_of(store)
    wait_for_copy(store)
    free[0] = 0
    staging.check_stage(str(local), pack)  # nothing is left to copy


def test_a_copy_that_another_process_makes_takes_no_more_space(local, pack, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda path: usage(10, 10, 0))
    base = staging.private_folder(local)
    with open(base / f"{staging.content_name(pack)}.copying", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        staging.check_stage(str(local), pack)
    with pytest.raises(UserError, match="are free"):
        staging.check_stage(str(local), pack)


def test_the_packs_of_all_data_sets_must_fit_together(local, pack, tmp_path, monkeypatch):
    second = shutil.copytree(pack, tmp_path / "second")
    (second / "packed.json").write_text((pack / "packed.json").read_text() + " ")  # another content
    usage = namedtuple("usage", "total used free")
    size = next(pack.rglob("*.bin")).stat().st_size
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda path: usage(10, 10, size))
    staging.check_stage(str(local), pack)
    with pytest.raises(UserError, match=f"{pack}, {second} takes"):
        staging.check_stage(str(local), Path(f"{pack},{second}"))


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        (
            "/proc/nonexistent",
            "--stage /proc/nonexistent: no such folder on this node; give one on its own disk, or leave it out",
        ),
        ("auto", "--stage auto: neither SLURM_TMPDIR nor TMPDIR is a folder on this node"),
        ("taken", "cannot be written (File exists); give another folder, or leave out --stage"),
        ("/proc", "cannot be written (No such file or directory); give another folder, or leave out --stage"),
    ],
)
@pytest.mark.parametrize("module", ["litemono.train", "litemono.finetune"])
def test_a_folder_of_no_use_ends_the_command_before_there_is_a_run_folder(
    command, pack, local, tmp_path, flag, problem, module
):
    (local / f"litemono-{os.getuid()}").touch()
    flag = str(local) if flag == "taken" else flag
    done = command(
        module, "--data_path", pack, "--stage", flag, "--log_dir", tmp_path / "runs", "--model_name", "run",
        env={"TMPDIR": "", "SLURM_TMPDIR": ""}
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == "" and problem in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "runs").exists()


def test_a_link_that_another_user_may_have_made_is_not_used_and_another_folder_is(local, tmp_path):
    """In a place that all may write."""
    (tmp_path / "theirs").mkdir()
    (local / f"litemono-{os.getuid()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(UserError, match="in it belongs to another user; give another folder"):
        staging.private_folder(local)
    assert staging.private_folder(tmp_path).is_dir() and not any((tmp_path / "theirs").iterdir())


def test_a_damaged_share_or_a_full_disk_leaves_training_on_the_share(pack, local, staged, tmp_path, capfd, monkeypatch):
    damaged = shutil.copytree(pack, tmp_path / "damaged")
    file = next(damaged.rglob("*.bin"))
    file.write_bytes(bytes(100) + file.read_bytes()[100:])
    store = staged(root=damaged)
    frames_of(store)
    wait_for_copy(store)
    assert reads_from(store).startswith(str(damaged)) and not copies(local)
    assert "frame 0 is damaged" in capfd.readouterr().err
    monkeypatch.setattr(
        staging, "check_written", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    store = staged()
    frames_of(store)
    wait_for_copy(store)
    assert reads_from(store).startswith(str(pack)) and not [*local.rglob("*.tmp")]
    assert "No space left on device; the rest is read from" in capfd.readouterr().err


def test_the_folder_is_slurms_or_the_shells_and_is_refused_where_there_is_none(
    local, staged, monkeypatch, kitti_sample
):
    for name in staging.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="neither SLURM_TMPDIR nor TMPDIR"):
        frames_of(staged("auto"))
    monkeypatch.setenv("TMPDIR", str(local))
    store = staged("auto")
    frames_of(store)
    wait_for_copy(store)
    assert copies(local)
    with pytest.raises(UserError, match="--stage /proc/nonexistent: no such folder"):
        frames_of(staged("/proc/nonexistent"))
    with pytest.raises(UserError, match="copies a pack, and --data_path is a folder of images"):
        stage_store(open_store("kitti", kitti_sample, True, HEIGHT, WIDTH), "auto")
