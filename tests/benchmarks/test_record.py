"""A record says how and where it was measured, before what."""

import json

from benchmarks.record import write_record
from litemono.utils.commit import typed_command


def test_a_record_begins_with_command_and_machine(tmp_path):
    write_record(tmp_path / "r.json", {"device": "cpu"}, {"rows": [1, 2]})
    found = json.loads((tmp_path / "r.json").read_text())
    assert list(found.items()) == [("command", typed_command()), ("machine", {"device": "cpu"}), ("rows", [1, 2])]


def test_nothing_is_written_without_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_record(None, {}, {"rows": []})
    assert not list(tmp_path.iterdir())
