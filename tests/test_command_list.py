"""litemono alone lists the commands; litemono COMMAND runs one."""

import sys

import pytest

from litemono.__main__ import COMMANDS, main


def run(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["litemono", *words])
    try:
        main()
        status = 0
    except SystemExit as left:
        status = int(left.code or 0)
    return status, *capsys.readouterr()


def test_without_a_command_all_are_listed(monkeypatch, capsys):
    status, out, _ = run(monkeypatch, capsys)
    assert status == 0 and all(f"  {name} " in out for name in COMMANDS)


def test_an_unknown_command_names_the_nearest(monkeypatch, capsys):
    assert run(monkeypatch, capsys, "trian") == (
        2,
        "",
        "litemono: error: there is no command trian; try litemono train\n",
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_its_flags(monkeypatch, capsys, name):
    status, out, _ = run(monkeypatch, capsys, name, "--help")
    assert status == 0 and "usage:" in out
