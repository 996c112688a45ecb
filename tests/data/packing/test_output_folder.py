"""The folder that a command of litemono prepare fills."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

import pytest
from tiny_kitti import assert_refused, invoke, snapshot

from litemono.data.packing import output_folder
from litemono.data.packing.output_folder import locked


@pytest.mark.parametrize("dataset", ["kitti", "pairs"])
def test_a_refused_pack_leaves_nothing(dataset, tmp_path, capsys):
    main = importlib.import_module("litemono.prepare").main
    (tmp_path / "empty").mkdir()
    flags = ("--from", tmp_path / "empty", "--dataset", dataset, "--output", tmp_path / "new/pack")
    assert_refused(invoke(main, capsys, "pack", *flags), "--from")
    assert snapshot(tmp_path) == {"empty"}


def test_a_folder_that_was_there_stays(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path, "pack"):
        raise ZeroDivisionError
    assert tmp_path.is_dir() and not snapshot(tmp_path)


def test_who_waited_locks_the_file_that_others_see(tmp_path, monkeypatch):
    """The lock that it waited for was removed with its file, and a third process would make a new one."""
    waits, tried, inside = threading.Event(), output_folder.try_lock, []

    def try_lock(file, timeout):
        waits.set()
        return tried(file, timeout)

    monkeypatch.setattr(output_folder, "try_lock", try_lock)

    def second():
        with locked(tmp_path, "pack"):
            inside.append(Path(tmp_path / ".pack.lock").exists())

    thread = threading.Thread(target=second, daemon=True)
    with locked(tmp_path, "pack"):
        waits.clear()
        thread.start()
        assert waits.wait(20)
        assert not inside
    thread.join(20)
    assert inside == [True] and not snapshot(tmp_path)
