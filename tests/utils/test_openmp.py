"""How torch's idle threads wait is chosen before torch is imported."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import pytest

from litemono.utils import cli, openmp
from litemono.utils.openmp import NO_SPIN, SHORT_SPIN, WAITING, choose_waiting


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with two cores on which so many processes run, looked at several times."""
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(openmp, "available_cores", lambda: 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)

    def running(*looks: int) -> None:
        answers = iter(looks * openmp.LOOKS)

        class Stat:
            def read_text(self):
                return f"cpu 1 2 3\nprocs_running {next(answers)}\nprocs_blocked 9\n"

        monkeypatch.setattr(openmp, "STAT", Stat())

    yield running
    for name in WAITING:  # choose_waiting changes os.environ itself
        os.environ.pop(name, None)


@dataclass
class Nothing:
    """No flags."""


def chosen() -> dict[str, str]:
    choose_waiting()
    return {name: os.environ[name] for name in WAITING if name in os.environ}


def test_on_an_idle_machine_nothing_is_changed(machine):
    machine(1)
    assert chosen() == {}


def test_where_others_want_the_cores_threads_spin_shortly(machine):
    machine(2)
    assert chosen() == SHORT_SPIN


def test_where_others_fill_all_cores_threads_do_not_spin(machine):
    machine(3)
    assert chosen() == NO_SPIN


def test_short_work_of_others_is_none(machine):
    machine(4, 1, 3)
    assert chosen() == {}


@pytest.mark.parametrize("name", WAITING)
def test_a_users_own_setting_wins(machine, monkeypatch, name):
    machine(9)
    monkeypatch.setenv(name, "7")
    assert chosen() == {name: "7"}


def test_others_on_other_cores_do_not_matter(machine, monkeypatch):
    """As on a large node of which a job has two cores."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    machine(60)
    assert chosen() == {}
    machine(64)
    assert chosen() == SHORT_SPIN


def test_a_system_that_does_not_tell_is_taken_for_idle(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(openmp, "STAT", tmp_path / "nothing")
    assert chosen() == {}


def test_commands_choose_before_they_work(machine, monkeypatch, capsys):
    machine(9)
    seen = []
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(SystemExit):
        cli.run(lambda config: seen.append(os.environ.get("GOMP_SPINCOUNT")), Nothing, "command")
    assert seen == [NO_SPIN["GOMP_SPINCOUNT"]]
