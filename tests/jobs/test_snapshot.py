"""The copy of the code from which a job runs."""

from __future__ import annotations

import json
from pathlib import Path

import processes
import pytest

from litemono.jobs import snapshot
from litemono.utils.commit import code_state
from litemono.utils.errors import UserError


def git(root: Path, *command: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = processes.run(["git", "-C", root, *identity, *command])
    assert done.returncode == 0, done.stderr


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout with one commit of one module, and a file outside the code."""
    root = tmp_path / "checkout"
    (root / "litemono").mkdir(parents=True)
    (root / "litemono/__init__.py").write_text("x = 1\n")
    (root / "notes.txt").write_text("not code\n")
    (root / ".gitignore").write_text("__pycache__\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def test_a_copy_has_committed_changed_and_new_files_but_not_ignored_ones(checkout, tmp_path):
    clean = snapshot.of_checkout(checkout)
    assert clean.state.diff == "" and len(clean.state.commit) == 40
    (checkout / "litemono/__init__.py").write_text("x = 2\n")
    (checkout / "networks").mkdir()
    (checkout / "networks/mine.py").write_text("y = 1\n")
    (checkout / "litemono/__pycache__").mkdir()
    (checkout / "litemono/__pycache__/a.pyc").touch()
    taken = snapshot.of_checkout(checkout)
    copy = taken.write(tmp_path / "logs")
    (checkout / "litemono/__init__.py").write_text("x = 3\n")
    assert (copy / "litemono/__init__.py").read_text() == "x = 2\n" and (copy / "networks/mine.py").exists()
    assert not (copy / "litemono/__pycache__").exists() and not (copy / "notes.txt").exists()
    assert "+x = 2" in (copy / "changes.diff").read_text() and "networks/mine.py" in (copy / "changes.diff").read_text()
    assert json.loads((copy / "snapshot.json").read_text())["checkout"] == str(checkout)
    assert code_state(copy) == taken.state and taken.state.commit == clean.state.commit and taken.state.diff
    assert code_state(checkout).diff != taken.state.diff


def test_the_same_code_is_copied_once_and_no_temporary_folder_stays(checkout, tmp_path):
    copies = {snapshot.of_checkout(checkout).write(tmp_path / "logs") for _ in range(2)}
    assert [*(tmp_path / "logs/code").iterdir()] == [*copies]
    (checkout / "litemono/__init__.py").write_text("x = 2\n")
    assert snapshot.of_checkout(checkout).write(tmp_path / "logs") not in copies


def test_a_large_file_among_the_code_is_refused_by_name(checkout):
    with open(checkout / "litemono/frames.bin", "wb") as file:
        file.truncate(snapshot.LARGEST + 1)
    with pytest.raises(UserError, match="litemono/frames.bin 50 MB.*gitignore.*--follow_checkout"):
        snapshot.of_checkout(checkout)
    (checkout / ".gitignore").write_text("*.bin\n")
    assert snapshot.of_checkout(checkout) is not None


def test_an_installed_package_is_not_copied_even_below_another_checkout(checkout):
    installed = checkout / "venv/site-packages"
    (installed / "litemono").mkdir(parents=True)
    (installed / "litemono/__init__.py").touch()
    (checkout / ".gitignore").write_text("venv\n")
    assert snapshot.of_checkout(installed) is None
    state = code_state(installed)
    assert (state.commit, state.diff) == ("unknown", "") and state.litemono
    assert "no git checkout" in snapshot.describe(None, follow_checkout=False)


def test_a_copy_inside_a_checkout_is_told_by_its_note(checkout):
    copy = snapshot.of_checkout(checkout).write(checkout / "runs/a/slurm")
    before = code_state(copy)
    git(checkout, "commit", "-qm", "second", "--allow-empty")
    assert code_state(copy) == before != code_state(checkout)
