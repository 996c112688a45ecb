"""The run folder: one process at a time, also where the file system makes that hard."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import threading
import time
import zipfile
from dataclasses import replace

import pytest
from tiny_kitti import assert_refused, invoke
from trainings import flags, settings

from litemono.engine import checkpoint_paths, run_folder
from litemono.engine.resume import check_same_run, differences
from litemono.engine.settings import to_json
from litemono.tasks.monodepth.settings import PUBLISHED_LR, TrainConfig, check
from litemono.train import main
from litemono.utils.atomic_files import replacing, write_atomically
from litemono.utils.errors import UserError


def open_folder(config: TrainConfig) -> run_folder.RunFolder:
    return run_folder.RunFolder(config.folder, to_json(config))


def test_a_second_process_is_refused_with_the_name_of_the_first(street, tmp_path):
    first = open_folder(settings(street, tmp_path))
    with pytest.raises(UserError, match=r"is in use by process \d+ on "):
        open_folder(settings(street, tmp_path))
    first.close()
    open_folder(settings(street, tmp_path)).close()


@pytest.mark.parametrize("content", ["", "null", "[1]", '{"optim": [1]}', None])
def test_damaged_settings_of_a_run_are_named(street, tmp_path, content):
    config = settings(street, tmp_path)
    (config.folder / "checkpoints").mkdir(parents=True)
    (config.folder / "checkpoints/step_00000001.pt").touch()
    (config.folder / "config.json").mkdir() if content is None else (config.folder / "config.json").write_text(content)
    with pytest.raises(UserError, match="config.json is damaged, and no checkpoint tells"):
        check_same_run(config)


@pytest.mark.parametrize("now, same", [((1e-4,), True), (PUBLISHED_LR, True), ((2e-4,), False)])
def test_the_same_rates_in_other_words_resume(street, tmp_path, now, same):
    config = settings(street, tmp_path)
    begun, resumed = (replace(config, optim=replace(config.optim, lr=lr)) for lr in (PUBLISHED_LR, now))
    assert bool(differences(to_json(begun), resumed)) is not same


def test_a_name_too_long_for_a_file_is_refused(street, tmp_path):
    with pytest.raises(UserError, match="a name of 300 bytes"):
        check(settings(street, tmp_path, "x" * 300))
    with pytest.raises(UserError, match="a name of 256 bytes"):
        check(settings(street, tmp_path, "\u00fc" * 128))


def test_a_name_that_is_the_folder_of_all_runs_is_refused(street, tmp_path):
    with pytest.raises(UserError, match="a name, below --log_dir"):
        check(settings(street, tmp_path, "."))


def test_links_and_devices_stay_what_they_are(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere/file.json")
    write_atomically(tmp_path / "link.json", b"{}")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "elsewhere/file.json").read_bytes() == b"{}"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", b"text")
    assert os.read(reader, 9) == b"text" and (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_a_device_that_is_full_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="/dev/full: cannot be written .No space left on device"):
        write_atomically("/dev/full", b"text")


def test_a_device_or_pipe_gets_a_whole_archive(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    for place in ("/dev/null", tmp_path / "pipe"):
        with replacing(place) as file, zipfile.ZipFile(file, "w") as archive:
            archive.writestr("name", b"text")
    reader.join(20)
    assert zipfile.ZipFile(io.BytesIO(received[0])).read("name") == b"text"


def test_a_copy_of_weights_that_does_not_fit_leaves_nothing_half_written(street, tmp_path, monkeypatch):
    folder = open_folder(settings(street, tmp_path))
    (folder.models / "weights_0").mkdir(parents=True)
    (folder.models / "weights_0/depth.pth").write_bytes(b"weights")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("litemono.engine.run_folder.shutil.copy2", full)
    with pytest.raises(UserError, match="models/last: cannot be written .No space left on device"):
        folder.copy_weights(folder.models / "weights_0", "last")
    assert [path.name for path in folder.models.iterdir()] == ["weights_0"]
    folder.close()


def test_a_file_is_not_written_over_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="it is a folder"):
        write_atomically("", b"")
    assert not list(tmp_path.iterdir())


def test_a_requeued_job_waits_for_the_process_on_the_lost_node(street, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    first = open_folder(settings(street, tmp_path))
    monkeypatch.setattr(
        "litemono.utils.atomic_files.time.sleep", lambda _: first.close()
    )  # it ends while it is waited for
    open_folder(settings(street, tmp_path)).close()


def test_a_requeued_job_that_waits_in_vain_is_tried_again(street, tmp_path, monkeypatch):
    """A UserError would end it for good."""
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    monkeypatch.setattr(run_folder, "RESTART_LOCK_SECONDS", 0.0)
    first = open_folder(settings(street, tmp_path))
    with pytest.raises(RuntimeError, match="the job tries again"):
        open_folder(settings(street, tmp_path))
    first.close()


@pytest.mark.parametrize("reason", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, 524])
def test_a_file_system_without_locks_is_taken_as_it_is(street, tmp_path, monkeypatch, reason):
    def flock(*_):
        raise OSError(reason, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    first = open_folder(settings(street, tmp_path))
    first.status(now=True, state="running")
    told = json.loads((first.path / "status.json").read_text())
    (first.path / "status.json").write_text(json.dumps({**told, "host": "another"}))
    with pytest.raises(UserError, match="is in use by"):  # it has just given a sign of life
        open_folder(settings(street, tmp_path))
    (first.path / "status.json").write_text(json.dumps({**told, "host": "another", "updated": time.time() - 61}))
    open_folder(settings(street, tmp_path)).close()


@pytest.mark.parametrize("reason", [errno.EIO, errno.ESTALE])
def test_a_lock_that_a_file_server_could_not_give_is_no_lock_of_another(street, tmp_path, monkeypatch, reason):
    def flock(*_):
        raise OSError(reason, "no answer")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="no answer"):
        open_folder(settings(street, tmp_path))


@pytest.fixture
def no_locks(monkeypatch):
    """A file system that refuses flock."""

    def flock(*_):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_heartbeat_of_wrong_types_is_no_sign_of_life(street, tmp_path, no_locks):
    folder = settings(street, tmp_path).folder
    folder.mkdir()
    for updated in ("yesterday", None, [1], {}):
        (folder / "status.json").write_text(json.dumps({"state": "running", "host": "another", "updated": updated}))
        open_folder(settings(street, tmp_path)).close()


@pytest.mark.parametrize("there", ["broken link", "link", "folder", "nothing"])
def test_weights_replace_whatever_has_their_name(street, tmp_path, there):
    folder = open_folder(settings(street, tmp_path))
    last, source, other = folder.models / "last", tmp_path / "source", tmp_path / "other"
    for path in (source, other, folder.models):
        path.mkdir(parents=True)
    (source / "encoder.pth").write_bytes(b"new")
    (other / "encoder.pth").write_bytes(b"of somebody")
    if there == "folder":
        last.mkdir()
    elif there != "nothing":
        last.symlink_to(other if there == "link" else "/proc/nonexistent/place")
    (folder.models / ".last.replaced").symlink_to("/proc/nonexistent")  # of a killed process
    for _ in range(2):
        folder.copy_weights(source, "last")
        assert (last / "encoder.pth").read_bytes() == b"new" and not last.is_symlink()
    assert sorted(path.name for path in folder.models.iterdir()) == ["last"]
    assert (other / "encoder.pth").read_bytes() == b"of somebody"
    folder.close()


@pytest.mark.parametrize("successor", [True, False])
def test_weights_whose_replacement_was_killed_between_the_renames_are_there_again(street, tmp_path, successor):
    models = settings(street, tmp_path).folder / "models"
    for name, content in (
        {".last.replaced": b"old", "last": b"new"}.items() if successor else [(".last.replaced", b"old")]
    ):
        (models / name).mkdir(parents=True)
        (models / name / "encoder.pth").write_bytes(content)
    open_folder(settings(street, tmp_path)).close()
    assert [path.name for path in models.iterdir()] == ["last"]
    assert (models / "last/encoder.pth").read_bytes() == (b"new" if successor else b"old")


def test_what_a_killed_process_left_half_written_in_the_folder_is_cleared_away(street, tmp_path):
    folder = settings(street, tmp_path).folder
    (folder / "checkpoints").mkdir(parents=True)
    for name in (".status.json.123.tmp", "checkpoints/.step_00000001.pt.123.tmp"):
        (folder / name).write_bytes(b"{")
    for name in (".last.partial", ".weights_1.partial", ".best_abs_rel.tmp"):
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "encoder.pth").write_bytes(b"half")
    open_folder(settings(street, tmp_path)).close()
    assert not any((folder / "models").iterdir())
    assert not list(folder.rglob(".*.tmp")) and (folder / "config.json").is_file()


def test_a_full_disk_under_the_log_ends_with_one_sentence_and_the_run_resumes_after_room_is_made(
    street, tmp_path, capsys
):
    folder = settings(street, tmp_path).folder
    folder.mkdir()
    (folder / "log.txt").symlink_to("/dev/full")
    arguments = [*flags(street, tmp_path), "--max_steps", "1"]
    outcome = invoke(main, capsys, *arguments)
    assert_refused(outcome, "No space left on device", "free some space")
    assert json.loads((folder / "status.json").read_text())["state"] == "failed"
    (folder / "log.txt").unlink()
    assert invoke(main, capsys, *arguments).code == 0


def test_a_full_disk_under_slurms_log_is_final_although_not_even_that_can_be_printed(
    street, tmp_path, capsys, monkeypatch
):
    """In a job, stdout and stderr are the same file."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        monkeypatch.setattr("sys.stderr", full)
        assert invoke(main, capsys, *flags(street, tmp_path), "--max_steps", "1").code == 2
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    status = json.loads((settings(street, tmp_path).folder / "status.json").read_text())
    assert (status["state"], status["final"], status["exit"]) == ("failed", True, 2)


@pytest.mark.parametrize("reason", [errno.ESTALE, errno.EACCES])
def test_a_folder_of_checkpoints_that_cannot_be_listed_is_not_an_empty_one(tmp_path, monkeypatch, reason):
    def fail(_):
        raise OSError(reason, "for some reason")

    (tmp_path / "checkpoints").mkdir()
    assert not checkpoint_paths.has_checkpoints(tmp_path) and checkpoint_paths.newest_step(tmp_path / "nowhere") == 0
    monkeypatch.setattr("litemono.utils.atomic_files.os.listdir", fail)
    with pytest.raises(OSError, match="for some reason"):
        checkpoint_paths.has_checkpoints(tmp_path)


def test_a_heartbeat_that_could_not_be_written_does_not_end_the_training(street, tmp_path, monkeypatch):
    folder = open_folder(settings(street, tmp_path))

    def fail(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr("litemono.utils.atomic_files.os.replace", fail)
        folder.status(now=True, state="running")
    folder.status(now=True, state="running")
    assert json.loads((folder.path / "status.json").read_text())["state"] == "running"
    folder.close()


@pytest.mark.parametrize(
    ("reason", "raised"), [(errno.ESTALE, OSError), (errno.EIO, OSError), (errno.EACCES, UserError)]
)
def test_only_what_the_user_must_mend_is_called_a_users_error(tmp_path, monkeypatch, reason, raised):
    def fail(*_):
        raise OSError(reason, "for some reason")

    monkeypatch.setattr("builtins.open", fail)
    with pytest.raises(raised, match="for some reason") as error:
        write_atomically(tmp_path / "status.json", b"")
    assert error.type is raised


def test_a_full_disk_under_the_curves_ends_with_one_sentence(street, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("litemono.engine.tensorboard.Curves.flush", full)
    outcome = invoke(main, capsys, *flags(street, tmp_path), "--max_steps", "1")
    assert_refused(outcome, "No space left on device", "free some space")


def test_a_clock_set_back_an_hour_does_not_silence_the_heartbeat(street, tmp_path, monkeypatch):
    folder = open_folder(settings(street, tmp_path))
    folder.status(now=True, step=1)
    now, elapsed = time.time(), time.monotonic()
    monkeypatch.setattr(run_folder.time, "time", lambda: now - 3600)
    monkeypatch.setattr(run_folder.time, "monotonic", lambda: elapsed + run_folder.STATUS_SECONDS + 1)
    folder.status(step=2)
    assert json.loads((folder.path / "status.json").read_text())["step"] == 2
    folder.close()


def test_a_heartbeat_of_an_hour_ahead_is_no_sign_of_life(street, tmp_path, no_locks):
    """Of a run that was killed before the clock was set back."""
    folder = settings(street, tmp_path).folder
    folder.mkdir()
    heartbeat = {"state": "running", "host": "another", "updated": time.time() + 3600}
    (folder / "status.json").write_text(json.dumps(heartbeat))
    open_folder(settings(street, tmp_path)).close()
