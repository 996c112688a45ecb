"""Checkpoints survive what happens to files on a cluster."""

import errno
import hashlib
import io
import pickle
import zipfile

import pytest
import torch

from litemono.engine import checkpoint, checkpoint_paths, resume
from litemono.utils.errors import UserError


def steps(folder):
    return [path.name for path in checkpoint_paths.checkpoints(folder)]


def test_the_newest_checkpoints_are_kept_and_old_ones_go_with_their_checksums(tmp_path):
    for step in range(5):
        checkpoint.save(tmp_path, step, {"step": step}, keep=2)
    assert steps(tmp_path) == ["step_00000003.pt", "step_00000004.pt"]
    assert len(list(tmp_path.iterdir())) == 4
    assert checkpoint.load_newest(tmp_path, warn=pytest.fail) == {"step": 4}


@pytest.mark.parametrize("damage", ["cut short", "one bit", "empty", "no checksum"])
def test_a_damaged_newest_checkpoint_is_named_and_passed_over(tmp_path, damage):
    for step in (1, 2):
        newest = checkpoint.save(tmp_path, step, {"step": step, "weights": torch.ones(100)}, keep=3)
    data = newest.read_bytes()
    if damage == "no checksum":
        checkpoint.checksum_file(newest).unlink()
    elif damage == "one bit":
        newest.write_bytes(data[:300] + bytes([data[300] ^ 1]) + data[301:])
    else:
        newest.write_bytes(data[: len(data) // 2] if damage == "cut short" else b"")
    warnings = []
    assert checkpoint.load_newest(tmp_path, warnings.append)["step"] == 1
    assert len(warnings) == 1 and str(newest) in warnings[0]
    assert steps(tmp_path) == ["step_00000001.pt"], "or it would count as progress, and its successors as old"
    assert newest.with_name("step_00000002.pt.damaged").exists()


class Trap:
    """Writes a file where its pickle is executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("content", ["text", "nothing", "pickle", "list", "zip", "archive of another program"])
def test_nonsense_under_a_right_checksum_is_passed_over_and_never_executed(tmp_path, content):
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=3)
    newest = checkpoint.save(tmp_path, 2, {"step": 2}, keep=3)
    file = io.BytesIO()
    if content == "list":
        torch.save([1, 2], file)
    elif content in ("zip", "archive of another program"):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl" if content == "zip" else "notes.txt", b"hello")
    else:
        trap = pickle.dumps(Trap(tmp_path / "executed"))
        file.write({"text": b"nonsense\n", "nothing": b"", "pickle": trap}[content])
    newest.write_bytes(file.getvalue())
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    checkpoint.checksum_file(newest).write_text(f"{digest}  {newest.name}\n")
    warnings = []
    assert checkpoint.load_newest(tmp_path, warnings.append)["step"] == 1
    assert len(warnings) == 1 and "has its checksum, but" in warnings[0]
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"format": None},
        {"progress": 3},
        {"progress": {}},
        {"progress": {"step": "x"}},
        {"networks": []},
        {"guard": None},
    ],
)
def test_a_dictionary_that_is_no_state_of_a_run_is_passed_over(tmp_path, change):
    good = {"format": resume.FORMAT, "progress": {"step": 1}, "networks": {}, "guard": {}, "optimizers": []}
    checkpoint.save(tmp_path, 1, good, keep=3)
    checkpoint.save(tmp_path, 2, {**good, **change}, keep=3)
    warnings = []
    assert checkpoint.load_newest(tmp_path, warnings.append, resume.content_problem) == good
    assert len(warnings) == 1 and "of a run" in warnings[0]


def test_a_file_server_that_stumbles_damages_nothing(tmp_path, monkeypatch):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, {}, keep=3)

    def stale(_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("pathlib.Path.read_bytes", stale)
    with pytest.raises(OSError, match="Stale file handle"):
        checkpoint.load_newest(tmp_path, warn=pytest.fail)
    assert steps(tmp_path) == ["step_00000001.pt", "step_00000002.pt"]


def test_a_folder_of_damaged_checkpoints_is_an_error_not_a_fresh_start(tmp_path):
    checkpoint.save(tmp_path, 1, {}, keep=3).write_bytes(b"")
    with pytest.raises(UserError, match="every checkpoint is damaged"):
        checkpoint.load_newest(tmp_path, warn=lambda _: None)


def test_a_step_saved_again_counts_in_its_old_form_until_the_new_one_is_there(tmp_path, monkeypatch):
    """A signal during validation saves a step, and the validation's end saves it again."""
    path = checkpoint.save(tmp_path, 1, {"validated": False}, keep=1)
    write = checkpoint.write_atomically

    def killed_at_the_data(target, data):
        if target == path:
            raise KeyboardInterrupt
        write(target, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "write_atomically", killed_at_the_data)
        checkpoint.save(tmp_path, 1, {"validated": True}, keep=1)
    assert checkpoint.load(path) == {"validated": False}
    checkpoint.save(tmp_path, 1, {"validated": True}, keep=1)
    assert checkpoint.load(path) == {"validated": True}
    assert len(checkpoint.checksum_file(path).read_text().splitlines()) == 1


def test_no_checkpoint_is_a_fresh_start(tmp_path):
    assert checkpoint.load_newest(tmp_path / "nowhere", warn=pytest.fail) is None


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path):
    (tmp_path / ".step_00000007.pt.123.tmp").write_bytes(b"half")
    checkpoint.save(tmp_path, 8, {}, keep=3)
    assert not list(tmp_path.glob(".*"))


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_ones_alone(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=1)

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("litemono.utils.atomic_files.os.replace", disk_full)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoint.save(tmp_path, 2, {"step": 2}, keep=1)
    assert steps(tmp_path) == ["step_00000001.pt"] and not list(tmp_path.glob(".*"))
