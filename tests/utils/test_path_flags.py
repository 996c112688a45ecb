"""Every flag of every command that takes a path refuses one that no file system takes, before anything else is done."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from tiny_kitti import assert_refused, invoke

from litemono.__main__ import COMMANDS
from litemono.utils import cli, flags
from litemono.utils.errors import UserError
from litemono.utils.path_flags import check_paths, flag_of

LONG = "n" * 5000


def settings_of_all_commands() -> Iterator[tuple[str, type]]:
    for name, entry in COMMANDS.items():
        settings = cli.parts_of(importlib.import_module(entry.module).main, [f"litemono {name}"]).settings
        for word, one in (flags.subcommands(settings) or {"": settings}).items():
            yield f"{name} {word}".strip(), one


def fields(settings: Any) -> Iterator[tuple[str, Any, bool]]:
    """Name, type and whether it is required, of each flag."""
    cls = get_origin(settings) or settings
    hints = get_type_hints(cls, include_extras=True)
    known = dict(zip(getattr(cls, "__parameters__", ()), get_args(settings), strict=True))
    for field in dataclasses.fields(cls):
        hint = known.get(hints[field.name], hints[field.name])
        if dataclasses.is_dataclass(get_origin(hint) or hint):
            yield from fields(hint)
            continue
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        yield flag_of(field.name, hint), hint, required


def takes_a_path(hint: Any) -> bool:
    return hint is Path or get_origin(hint) is not Literal and any(map(takes_a_path, get_args(hint)))


CASES = [
    pytest.param(settings, name, id=f"{command} --{name}")
    for command, settings in settings_of_all_commands()
    for name, hint, _ in fields(settings)
    if takes_a_path(hint)
]


def test_the_commands_have_path_flags():
    assert len(CASES) > 40


@pytest.mark.parametrize("path", [LONG, "n" * 256, "/".join(["folder"] * 800)], ids=["5000", "256", "long"])
@pytest.mark.parametrize(("settings", "flag"), CASES)
def test_a_path_that_no_file_system_takes_is_refused(settings, flag, path):
    required = [word for name, _, needed in fields(settings) if needed and name != flag for word in (f"--{name}", ".")]
    config = cli.parse(settings, "test", "", args=[*required, f"--{flag}", path])
    with pytest.raises(
        UserError, match=rf"^--{flag} {path[:30]}.*no file system takes a (name|path) of .*give a shorter one$"
    ):
        check_paths(config)


def test_a_path_of_thousands_of_folders_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main = importlib.import_module("litemono.prepare").main
    done = invoke(main, capsys, "motorcycle", "--output", "a/" * 2000)
    assert_refused(done, "--output a/a", "has 1999 folders one inside the other")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("place", [LONG, "file", "file/below"])
def test_a_download_that_has_no_place_asks_no_server(place, tmp_path, monkeypatch, capsys):
    def asked(address):
        raise AssertionError(address)

    monkeypatch.chdir(tmp_path)
    Path("file").write_text("in the way")
    monkeypatch.setattr("litemono.data.packing.http.size_of", asked)
    main = importlib.import_module("litemono.prepare").main
    assert_refused(invoke(main, capsys, "download", "--output", place), f"--output {place[:30]}")


def test_messages_do_not_repeat_values_of_thousands_of_letters(capsys):
    main = importlib.import_module("litemono.submit").main
    done = invoke(main, capsys, "--data_path", ".", "--time", LONG)
    assert_refused(done, "--time nnn")
    assert len(done.err) < 400
