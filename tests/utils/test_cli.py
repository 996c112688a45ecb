"""What every command does with paths that no file system takes, with devices of other programs, and with an output that is
full or closed."""

from __future__ import annotations

import importlib
import os
import sys

import processes
import pytest
from composites import write_small
from conftest import ROOT
from tiny_kitti import assert_refused, invoke

from litemono.utils.errors import UserError

LONG = "n" * 5000


@pytest.fixture
def rooms(tmp_path):
    return write_small(tmp_path / "rooms")


@pytest.mark.parametrize(
    ("module", "flags"),
    [
        ("litemono.train", ["--data_path", LONG]),
        ("litemono.train", ["--data_path", ".", "--split", LONG]),
        ("litemono.train", ["--data_path", ".", "--load_weights", LONG]),
        ("litemono.finetune", ["--data_path", LONG]),
        ("litemono.predict", ["--load_weights", ".", "--input", LONG]),
        ("litemono.status", ["--log_dir", LONG]),
        ("litemono.prepare", ["verify", "--data_path", LONG]),
        ("litemono.prepare", ["pack", "--from", LONG, "--output", "out"]),
        ("evaluate.__main__", ["--pred", LONG, "--gt_path", "gt"]),
        ("evaluate.__main__", ["--load_weights", LONG]),
        ("export_gt.__main__", ["--data_path", LONG]),
        ("litemono.status", ["--seconds", LONG]),
        ("litemono.compare", [f"--format={LONG}"]),
        ("litemono.completion", [LONG]),
    ],
)
def test_a_name_of_5000_letters_is_refused_in_one_sentence(module, flags, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert_refused(invoke(importlib.import_module(module).main, capsys, *flags), LONG[:50])
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_itself_is_refused_in_one_sentence(tmp_path, capsys):
    os.symlink("loop", tmp_path / "loop")
    from litemono import prepare, status

    assert_refused(invoke(status.main, capsys, "--log_dir", tmp_path / "loop"), "--log_dir", "leads back to itself")
    for source, output in ((".", "loop"), (tmp_path / "loop", tmp_path / "a")):
        flags = ("--from", tmp_path / source, "--output", tmp_path / output)
        assert_refused(invoke(prepare.main, capsys, "pack", *flags), "loop")


def test_json_nested_100000_deep_is_no_settings_result_or_world(tmp_path):
    from evaluate.results import read
    from litemono.synthetic.world_folder import make_once
    from litemono.utils.atomic_files import read_json

    (tmp_path / "world.json").write_text("[" * 100000)
    assert read_json(tmp_path / "world.json") == {}
    with pytest.raises(ValueError, match="recursion"):
        read(tmp_path / "world.json")
    with pytest.raises(UserError, match="is no rendered world"):
        make_once(tmp_path, {}, lambda folder: None)


@pytest.mark.parametrize("word", [["--device", "mps"], ["--device=mps"], ["--device", "cuda:1"], ["--device", "0"]])
@pytest.mark.parametrize(
    ("module", "flags"),
    [
        ("litemono.predict", ["--load_weights", ".", "--input", "."]),
        ("evaluate.__main__", ["--load_weights", "."]),
        ("litemono.train", ["--data_path", "."]),
        ("litemono.finetune", ["--data_path", "."]),
        ("litemono.submit", ["--data_path", "."]),
    ],
)
def test_a_device_of_other_programs_is_refused_with_what_to_give_instead(module, flags, word, capsys):
    advice = "Apple's GPUs are not supported" if "mps" in word[-1] else "CUDA_VISIBLE_DEVICES="
    assert_refused(invoke(importlib.import_module(module).main, capsys, *flags, *word), advice)


def test_a_command_without_a_device_does_not_speak_of_one(capsys):
    done = invoke(importlib.import_module("litemono.status").main, capsys, "--device", "mps")
    assert done.code == 2 and "Apple" not in done.err


@pytest.mark.parametrize("flags", [["--data_path", "a\nb"], ["--data_path", ".", "--split=a\nb"]])
def test_a_line_break_in_a_value_leaves_the_message_one_line(flags, capsys):
    assert_refused(invoke(importlib.import_module("litemono.train").main, capsys, *flags), r"a\nb: ")


def test_a_name_that_is_no_text_is_printed_with_escapes(rooms, tmp_path, command):
    """As Linux allows it, in a locale that does not."""
    output = tmp_path / os.fsdecode(b"packed\xff")
    flags = ("pack-composites", "--from", rooms, "--output", output, "--size", "48x32")
    done = command("litemono.prepare", *flags, env={"PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0 and r"packed\udcff: 16 pictures" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("flags", "where", "code"),
    [
        ("status --log_dir . --json", ">/dev/full", 2),
        ("status --log_dir . --watch", ">/dev/full", 2),
        ("train --help", ">/dev/full", 2),
        ("status --log_dir . --json", ">&-", 0),
        ("train --data_path nowhere", ">/dev/full 2>/dev/full", 2),
    ],
)
def test_an_output_that_is_full_or_closed_is_a_sentence_and_never_a_status_of_python(tmp_path, flags, where, code):
    """What is printed stays in a buffer, and Python would exit with 120 when it cannot be written in the end."""
    (tmp_path / "status.json").write_text('{"state": "finished"}')
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = ["bash", "-c", f"exec {sys.executable} -m litemono {flags} {where}"]
    done = processes.run(command, cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT)})
    assert done.returncode == code and "Traceback" not in done.stderr and "ignored" not in done.stderr
    assert ("No space left on device" in done.stderr) == (code == 2 and "2>" not in where)
